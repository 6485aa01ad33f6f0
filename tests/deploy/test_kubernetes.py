"""The manifests: valid by Kubernetes' own schemas, and consistent with Nexus and the image."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import Settings, SettingsError
from nexus.settings.warnings import warnings
from tests.deploy.kit import DEPLOY, MARGIN, documents, loaded, steps, stops_within

FILE = DEPLOY / "kubernetes.yaml"
OBJECTS: dict[str, Any] = {found["kind"]: found for found in documents(FILE)}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
SECRETS = "/run/secrets/nexus"
LAST_STAGE = {step.word: step.text for step in steps((DEPLOY / "Dockerfile").read_text())}


def settings(folder: Path, value: str = "nx-hushhush0123456789abcdefghijklmnop") -> Settings:
    """The settings that a pod loads, with every key of the secret mounted."""
    for name in OBJECTS["Secret"]["stringData"]:
        (folder / name).write_text(value)
    text = OBJECTS["ConfigMap"]["data"]["nexus.toml"]
    return loaded(text.replace(SECRETS, str(folder)), folder, {})


def test_they_are_valid() -> None:
    if find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed: pip install -e '.[dev]'")
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", str(FILE)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pods_settings_are_valid_and_only_warn_about_metrics(tmp_path: Path) -> None:
    """The service does not expose metrics."""
    [warning] = warnings(settings(tmp_path))
    assert "metrics are served on 0.0.0.0:9464" in warning


def test_it_does_not_start_with_the_placeholder_keys(tmp_path: Path) -> None:
    assert set(OBJECTS["Secret"]["stringData"].values()) == {""}
    with pytest.raises(SettingsError):
        settings(tmp_path, "")


def test_a_rollout_has_time_to_stop_and_loses_no_calls(tmp_path: Path) -> None:
    assert POD["terminationGracePeriodSeconds"] >= stops_within(settings(tmp_path)) + MARGIN
    assert settings(tmp_path).server.drain_delay >= 2 * CONTAINER["readinessProbe"]["periodSeconds"]
    assert OBJECTS["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert OBJECTS["PodDisruptionBudget"]["spec"]["maxUnavailable"] < OBJECTS["Deployment"]["spec"]["replicas"]


def test_ports_and_probes_are_those_of_nexus(tmp_path: Path) -> None:
    server = settings(tmp_path).server
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    listening = {"calls": server.listen_address, "health": server.health.listen or ()}
    listening["metrics"] = server.metrics.listen_address or ()
    assert {name: [str(one) for one in found] for name, found in listening.items()} == {
        name: [f"0.0.0.0:{port}"] for name, port in ports.items()
    }
    probes = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": server.health.ready_path,
        "liveness": server.health.path,
        "readiness": server.health.ready_path,
    }
    assert {probe["port"] for probe in probes.values()} == {"health"}
    assert [port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]] == ["calls"]
    annotations = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])


def test_selectors_match_the_pods_labels() -> None:
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert OBJECTS[kind]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    [spread] = POD["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels


def test_a_pod_has_no_privileges(tmp_path: Path) -> None:
    user, group = map(int, LAST_STAGE["USER"].split(":"))
    context = POD["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (user, group, group)
    assert context["runAsNonRoot"] and context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not POD["automountServiceAccountToken"]
    own = CONTAINER["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_folders_match_the_image_and_the_settings(tmp_path: Path) -> None:
    mounts = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert not [mount for mount in mounts.values() if "subPath" in mount]
    assert mounts["config"]["mountPath"] == LAST_STAGE["WORKDIR"]
    assert mounts["state"]["mountPath"] == LAST_STAGE["VOLUME"]
    assert mounts["secrets"]["mountPath"] == SECRETS
    assert LAST_STAGE["VOLUME"] in str(settings(tmp_path).usage.store)
    assert volumes["config"]["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]
    assert volumes["secrets"]["secret"]["secretName"] == OBJECTS["Secret"]["metadata"]["name"]
