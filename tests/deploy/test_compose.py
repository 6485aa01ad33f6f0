"""compose.yaml: valid by the published schema, and consistent with Nexus, the image, Prometheus and Grafana."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import Settings
from nexus.settings.types import read_duration, read_size
from nexus.settings.warnings import warnings
from tests.deploy.kit import DEPLOY, MARGIN, ROOT, documents, loaded, names_of_environment, steps, stops_within

FILE = DEPLOY / "compose.yaml"
[COMPOSE] = documents(FILE)
SERVICES: dict[str, Any] = COMPOSE["services"]
NEXUS = SERVICES["nexus"]
TOML = (DEPLOY / "compose/nexus.toml").read_text()
ENVIRON = {
    "NEXUS_KEY_TEAM": "nx-hushhush0123456789abcdefghijklmnop",
    "POSTGRES_PASSWORD": "hushhush-postgres",
    "GEMINI_API_KEY": "AIza-hushhush",
}
IMAGE = {step.word: step.text for step in steps((DEPLOY / "Dockerfile").read_text())}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return loaded(TOML, tmp_path, ENVIRON)


def mounts(service: str) -> dict[str, str]:
    """The files and folders mounted in a container."""
    return {target: source for source, target, *_ in (text.split(":") for text in SERVICES[service]["volumes"])}


def test_it_is_valid() -> None:
    if find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: pip install -e '.[dev]'")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_settings_are_valid_and_only_warn_about_metrics(settings: Settings) -> None:
    """The metrics port is not published on the host."""
    [warning] = warnings(settings)
    assert "metrics are served on 0.0.0.0:9464" in warning
    assert not [port for port in NEXUS["ports"] if "9464" in port]


def test_the_command_at_the_top_makes_a_key() -> None:
    found = re.search(r"NEXUS_KEY_TEAM=\$\((.+)\)", FILE.read_text())
    assert found is not None
    command = found[1].replace("nexus", f"{sys.executable} -m nexus", 1)
    done = subprocess.run(command, shell=True, text=True, capture_output=True, check=True, cwd=ROOT)
    assert re.fullmatch(r"nx-\w{30,}\n", done.stdout)


def test_every_variable_in_the_settings_is_passed_and_required() -> None:
    assert names_of_environment(TOML) == set(ENVIRON)
    assert {name: NEXUS["environment"][name] for name in ENVIRON} == {name: f"${{{name}:?}}" for name in ENVIRON}


def test_ports_are_those_of_nexus_and_only_published_on_this_machine(settings: Settings) -> None:
    server = settings.server
    [address] = server.listen_address
    assert NEXUS["ports"] == [f"127.0.0.1:8000:{str(address).rpartition(':')[2]}"]
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    [health] = server.health.listen or ()
    assert NEXUS["environment"]["NEXUS_HEALTH"] == f"http://{health}{server.health.path}"


def test_it_has_time_to_stop_and_resource_limits(settings: Settings) -> None:
    assert read_duration(NEXUS["stop_grace_period"]) >= stops_within(settings) + MARGIN
    memory = read_size(NEXUS["mem_limit"].replace("m", "MiB"))
    assert memory == 256 << 20
    assert settings.server.max_body_size * 5 + (96 << 20) <= memory, "one body, translated"
    assert NEXUS["read_only"] and NEXUS["cap_drop"] == ["ALL"]


def test_the_image_is_built_from_this_repository() -> None:
    build = NEXUS["build"]
    assert (FILE.parent / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert mounts("nexus")[IMAGE["WORKDIR"]] == "./compose"
    assert mounts("nexus")[IMAGE["VOLUME"]] in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_limited_and_finds_its_files(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"nexus|[a-z/]+:v?\d[\w.-]*", service["image"])
    assert "no-new-privileges:true" in service["security_opt"]
    for source in mounts(name).values() if "volumes" in service else ():
        assert (FILE.parent / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", ())) <= SERVICES.keys()


def test_redis_and_postgres_have_the_addresses_of_the_settings(settings: Settings) -> None:
    assert re.search(r'url = "redis://(\w+):6379/', TOML)[1] in SERVICES  # type: ignore[index]
    found = re.search(r"postgresql://(\w+):[^@]+@(\w+)/(\w+)", TOML)
    assert found is not None
    user, host, database = found.groups()
    environment = SERVICES[host]["environment"]
    assert (environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == (user, database)
    assert {"nexus", "redis", "postgres", "prometheus"} <= {
        name for name, service in SERVICES.items() if "back" in service["networks"]
    }


def test_prometheus_scrapes_nexus_and_loads_the_alerts(settings: Settings) -> None:
    assert mounts("prometheus")["/etc/prometheus"] == "./prometheus"
    [prometheus] = documents(DEPLOY / "prometheus/prometheus.yml")
    [job] = prometheus["scrape_configs"]
    [address] = settings.server.metrics.listen_address or ()
    assert job["static_configs"] == [{"targets": [f"nexus:{str(address).rpartition(':')[2]}"]}]
    assert job.get("metrics_path", "/metrics") == settings.server.metrics.path
    for name in prometheus["rule_files"]:
        assert documents(DEPLOY / "prometheus" / name)


def test_grafana_has_the_dashboard_at_its_first_start() -> None:
    provisioning = DEPLOY / "grafana/provisioning"
    [sources] = documents(provisioning / "datasources/prometheus.yaml")
    [source] = sources["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    [boards] = documents(provisioning / "dashboards/nexus.yaml")
    [provider] = boards["providers"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounts("grafana")[home] == "./grafana/nexus.json"
    assert home.rpartition("/")[0] == provider["options"]["path"]
    assert mounts("grafana")["/etc/grafana/provisioning"] == "./grafana/provisioning"
    variables = json.loads((DEPLOY / "grafana/nexus.json").read_text())["templating"]["list"]
    assert [one["query"] for one in variables if one["type"] == "datasource"] == [source["type"]]
