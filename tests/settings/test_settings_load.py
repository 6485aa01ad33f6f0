"""Files that load, and files that do not: every problem is reported at once, with file, line, path and advice."""

from pathlib import Path

import pytest

from nexus.settings import ListenAddress, Settings, SettingsError, load
from nexus.settings.llm import Protocols

ENVIRON = {"OPENAI_API_KEY": "sk-hushhush-openai", "EMPTY": "", "NEWLINE": "sk-hushhush-newline\n"}

PROVIDER = """\
[llm.providers.openai]
type = "openai"
api_key = "{{ env.OPENAI_API_KEY }}"
models.smart = { rename = "gpt-4" }
"""


def read(tmp_path: Path, text: str | bytes) -> Settings:
    file = tmp_path / "nexus.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file, ENVIRON)


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert "sk-hushhush-openai" not in str(caught.value)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_the_shortest_useful_file_loads(tmp_path: Path) -> None:
    settings = read(tmp_path, PROVIDER)
    provider = settings.llm.providers["openai"]
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "sk-hushhush-openai"
    assert provider.models["smart"].rename == "gpt-4"
    assert settings.server.listen_address == (ListenAddress("127.0.0.1", 8000),)
    assert settings.llm.protocols.enabled_paths() == {
        "openai": "/llm/openai",
        "anthropic": "/llm/anthropic",
        "vertex": "/llm/vertex",
        "bedrock": "/llm/bedrock",
        "google": "/llm/google",
    }


def test_providers_and_models_keep_the_order_of_the_file(tmp_path: Path) -> None:
    text = "".join(f'[llm.providers.{name}]\ntype = "echo"\nmodels = {{ z = {{}}, a = {{}} }}\n' for name in "zma")
    providers = read(tmp_path, text).llm.providers
    assert list(providers) == ["z", "m", "a"]
    assert list(providers["m"].models) == ["z", "a"]


LOADED = {
    "byte order mark and CRLF": b"\xef\xbb\xbf" + PROVIDER.replace("\n", "\r\n").encode(),
    "switched off, no provider": "[llm]\nenabled = false",
    "switched off, no protocol": "[llm]\nenabled = false\nprotocols.openai.enabled = false",
    "two protocols on one path": PROVIDER + '[llm.protocols.anthropic]\npath = "/llm/openai"',
    "a protocol at the root": PROVIDER + '[llm.protocols.openai]\npath = "/"',
    "both protocols at the root": PROVIDER + '[llm.protocols]\nopenai.path = "/"\nanthropic.path = "/"',
    "same path, one protocol off": PROVIDER + '[llm.protocols]\nopenai.enabled = false\nanthropic.path = "/llm/openai"',
    "health off in a protocol's place": PROVIDER + '[server.health]\nenabled = false\npath = "/llm/openai"',
    "health beside a protocol": PROVIDER + '[server.health]\npath = "/llm/openai-health"',
    "no key but forwarding": '[llm.providers.x]\ntype = "openai"\nforward_token = true\nmodels.a = {}',
    "empty key but forwarding": '[llm.providers.x]\ntype = "openai"\nforward_token = true\napi_key = ""\nmodels.a = {}',
    "echo needs no key": '[llm.providers.x]\ntype = "echo"\nmodels.a = {}',
    "one idle provider among others": PROVIDER + '[llm.providers.x]\ntype = "echo"',
    "switch from the environment": PROVIDER + "forward_token = '{{ env.NOPE | default(\"true\") }}'",
    "longest name": f'[llm.providers.{"x" * 64}]\ntype = "echo"\nmodels.a = {{}}',
}


@pytest.mark.parametrize("text", LOADED.values(), ids=LOADED.keys())
def test_valid_files_load(tmp_path: Path, text: str | bytes) -> None:
    read(tmp_path, text)


def test_a_trailing_line_break_in_a_key_is_stripped(tmp_path: Path) -> None:
    key = read(tmp_path, PROVIDER.replace("OPENAI_API_KEY", "NEWLINE")).llm.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == "sk-hushhush-newline"


NO_KEY = "is missing or empty: set api_key, or forward_token = true"

OPENAI = "llm.providers.openai"
REFUSED: dict[str, tuple[str, list[str]]] = {
    "unknown key with a near one": (
        PROVIDER.replace("api_key", "api_kye"),
        [f'3: {OPENAI}.api_kye: unknown key; did you mean "api_key"?'],
    ),
    "unknown key of the type's own": (
        PROVIDER + "stream_usge = true",
        [f'5: {OPENAI}.stream_usge: unknown key; did you mean "stream_usage"?'],
    ),
    "key of another type": (
        '[llm.providers.x]\ntype = "anthropic"\napi_key = "x"\nmodels.a = {}\nstream_usage = true',
        ["5: llm.providers.x.stream_usage: unknown key; known are: api_key, api_key_command, "],
    ),
    "unknown key with none near": (
        PROVIDER + "[server]\nqqq = 1",
        ["6: server.qqq: unknown key; known are: client_identification, client_ip, client_timeout, cors, "],
    ),
    "unknown key in a model": (
        PROVIDER + 'models."gpt-3.5".renam = "x"',
        [f'5: {OPENAI}.models."gpt-3.5".renam: unknown key; did you mean "rename"?'],
    ),
    "unknown key below a table": (
        PROVIDER + "timeouts.conect = '1s'",
        [f'5: {OPENAI}.timeouts.conect: unknown key; did you mean "connect"?'],
    ),
    "unknown table": (
        PROVIDER + "[observability]",
        ["5: observability: unknown key; known are: budgets, llm, server, telemetry, usage"],
    ),
    "unknown protocol": (
        PROVIDER + "[llm.protocols.openia]",
        ['5: llm.protocols.openia: unknown key; did you mean "openai"?'],
    ),
    "key with control characters": (
        PROVIDER + '"\\u001b[2J" = 1',
        [f'5: {OPENAI}."\\u001b[2J": unknown key; known are: '],
    ),
    "table expected": ("llm = 1", ["1: llm: must be a table"]),
    "provider not a table": ("llm.providers.x = 1", ["1: llm.providers.x: must be a table"]),
    "providers not a table": ("llm.providers = []", ["1: llm.providers: must be a table"]),
    "model not a table": (PROVIDER + "models.x = 'gpt-4'", [f"5: {OPENAI}.models.x: must be a table"]),
    "unset variable": (
        PROVIDER.replace("OPENAI_API_KEY", "NOPE"),
        [f"3: {OPENAI}.api_key: environment variable NOPE is not set"],
    ),
    "unset variable in a typed value: reported once": (
        PROVIDER + '[server]\nearly_ping = "{{ env.NOPE }}"',
        ["6: server.early_ping: environment variable NOPE is not set"],
    ),
    "empty variable as key": (PROVIDER.replace("OPENAI_API_KEY", "EMPTY"), [f"3: {OPENAI}.api_key: " + NO_KEY]),
    "no key": ('[llm.providers.x]\ntype = "openai"\nmodels.a = {}', ["1: llm.providers.x.api_key: " + NO_KEY]),
    "keys without their variables": (
        PROVIDER.replace('api_key = "{{ env.OPENAI_API_KEY }}"', 'api_keys = ["{{ env.NO1 }}", "{{ env.NO2 }}"]'),
        [f"3: {OPENAI}.api_keys[{at}]: environment variable NO{at + 1} is not set" for at in (0, 1)],
    ),
    "key of the wrong type": (
        PROVIDER.replace('"{{ env.OPENAI_API_KEY }}"', "123456"),
        [f"3: {OPENAI}.api_key: must be a string"],
    ),
    "key with characters that headers cannot contain": (
        PROVIDER.replace("{{ env.OPENAI_API_KEY }}", "a\\nb"),
        [f"3: {OPENAI}.api_key: contains characters that are not allowed in an HTTP header"],
    ),
    "no type": (
        "[llm.providers.x]\nmodels.a = {}",
        ["1: llm.providers.x.type: is missing; it must be a provider type (known types: "],
    ),
    "misspelled key of the type": (
        '[llm.providers.x]\ntpye = "openai"',
        ['2: llm.providers.x.tpye: unknown key; did you mean "type"?'],
    ),
    "unknown type": (
        '[llm.providers.x]\ntype = "opnai"',
        ['2: llm.providers.x.type: unknown provider type; did you mean "openai"? (known types: '],
    ),
    "another name of a type": (
        '[llm.providers.x]\ntype = "Gemini"',
        ['2: llm.providers.x.type: unknown provider type; did you mean "google"? (known types: '],
    ),
    "a compatible vendor as a type": (
        '[llm.providers.x]\ntype = "ollama"',
        ["2: llm.providers.x.type: unknown provider type; for a server that is compatible with OpenAI,"],
    ),
    "one model without brackets": (
        PROVIDER.replace('smart = { rename = "gpt-4" }', "").replace("models.", 'models = "gpt-4"'),
        [f'4: {OPENAI}.models: must be a list of names, such as ["NAME"], or a table'],
    ),
    "providers without llm": (
        PROVIDER.replace("llm.providers", "providers"),
        ['1: providers: unknown key; did you mean "llm.providers"?'],
    ),
    "a misspelt table of providers": (
        PROVIDER.replace("providers", "provider"),
        ['1: llm.provider: unknown key; did you mean "providers"?'],
    ),
    "type of the wrong type": (
        "[llm.providers.x]\ntype = ['openai']",
        ["2: llm.providers.x.type: unknown provider type; for a server"],
    ),
    "type that would be a path": (
        '[llm.providers.x]\ntype = "../os"',
        ["2: llm.providers.x.type: unknown provider type; for a server"],
    ),
    "provider name with a slash": (
        PROVIDER.replace("providers.openai", 'providers."a/b"'),
        ['1: llm.providers."a/b": must not contain "/"'],
    ),
    "empty provider name": (
        PROVIDER.replace("providers.openai", 'providers.""'),
        ['1: llm.providers."": must not be empty'],
    ),
    "provider name too long": (
        PROVIDER.replace("providers.openai", f"providers.{'x' * 65}"),
        [f"1: llm.providers.{'x' * 65}: a provider name must have at most 64 characters"],
    ),
    "empty alias": (PROVIDER + 'models."" = {}', [f'5: {OPENAI}.models."": must not be empty']),
    "empty rename": (PROVIDER + 'models.x.rename = ""', [f"5: {OPENAI}.models.x.rename: must not be empty"]),
    "no provider": ("", [": llm.providers: no provider is configured; the shortest"]),
    "no model": ('[llm.providers.x]\ntype = "echo"', ["1: llm.providers.x.models: is missing or empty: list"]),
    "provider without a name": (
        '[llm.providers]\ntype = "openai"\napi_key = "x"\nmodels = ["a"]',
        ["2: llm.providers.type: belongs in a table with a name: [llm.providers.NAME]"],
    ),
    "every protocol off": (
        PROVIDER + "[llm.protocols]\n" + "".join(f"{name}.enabled = false\n" for name in Protocols.model_fields),
        ["5: llm.protocols: every protocol is disabled"],
    ),
    "health on a protocol's path": (
        PROVIDER + '[server.health]\npath = "/llm/openai"',
        ["6: server.health.path: is below the path of llm.protocols.openai"],
    ),
    "health where a protocol's calls are": (
        PROVIDER + '[server.health]\npath = "/v1/health"\n[llm.protocols.openai]\npath = "/"',
        ["6: server.health.path: is below the path of llm.protocols.openai"],
    ),
    "health where the calls of AWS's clients are": (
        PROVIDER + '[server.health]\npath = "/model/health"\n[llm.protocols.bedrock]\npath = "/"',
        ["6: server.health.path: is below the path of llm.protocols.bedrock"],
    ),
    "health below a protocol's path": (
        PROVIDER + '[server.health]\npath = "/llm/anthropic/health"',
        ["6: server.health.path: is below the path of llm.protocols.anthropic"],
    ),
    "not a listen address": (
        PROVIDER + '[server]\nlisten_address = "localhost"',
        ["6: server.listen_address: is not a listen address"],
    ),
    "a boolean as duration": (
        PROVIDER + "[server]\ndrain_timeout = true",
        ["6: server.drain_timeout: is not a duration"],
    ),
    "ranges": (
        PROVIDER + "retries = { attempts = 11 }\n[server]\nworker_threads = 0",
        [f"5: {OPENAI}.retries.attempts: must be at most 10", "7: server.worker_threads: must be at least 1"],
    ),
    "max_delay below base_delay": (
        PROVIDER + "retries = { base_delay = '2s', max_delay = '1s' }",
        [f"5: {OPENAI}.retries.max_delay: must be at least base_delay"],
    ),
    "default max_delay below base_delay": (
        PROVIDER + "retries.base_delay = '9s'",
        [f"5: {OPENAI}.retries.max_delay: must be at least base_delay"],
    ),
    "an unknown endpoint and quirk": (
        PROVIDER + 'endpoints = ["embeddings", "rernk"]\nquirks = ["x"]',
        [f"5: {OPENAI}.endpoints[1]: must be one of embeddings, ", f"6: {OPENAI}.quirks[0]: must be one of max_"],
    ),
    "words in place of a number": (
        PROVIDER + '[telemetry.tracing]\nsampling = "often"',
        ["6: telemetry.tracing.sampling: must be a number"],
    ),
    "an unknown word": (PROVIDER + 'unknown = "perhaps"', [f'5: {OPENAI}.unknown: must be "deny" or "allow"']),
    "certificates that are not there": (
        PROVIDER + 'ca_file = "/nowhere/ca.pem"',
        [f"5: {OPENAI}.ca_file: names no file that exists"],
    ),
    "a certificate in place of its path": (
        PROVIDER
        + 'ca_file = "-----BEGIN CERTIFICATE-----"\n[server.tls]\ncertificate = "c.pem"\nkey = "'
        + "x" * 9000
        + '"',
        [
            "5: llm.providers.openai.ca_file: must be the path of a file, not its content",
            "7: server.tls.certificate: names no file that exists",
            "8: server.tls.key: must be the path of a file, not its content",
        ],
    ),
    "types": (
        PROVIDER + "forward_token = 'maybe'\nbase_url = 1\n[server]\nworker_threads = 1.5",
        [
            f"5: {OPENAI}.forward_token: must be true or false",
            f"6: {OPENAI}.base_url: must be a string",
            "8: server.worker_threads: must be a whole number",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_files_are_rejected_with_line_and_path(tmp_path: Path, text: str, expected: list[str]) -> None:
    said = problems(tmp_path, text)
    assert len(said) == len(expected), said
    for line, start in zip(said, expected, strict=True):
        assert line.removeprefix("nexus.toml").removeprefix(":").startswith(start.removeprefix(":")), line


def test_all_problems_are_reported_together_in_file_order(tmp_path: Path) -> None:
    text = """\
[server]
listen_address = "nowhere"
worker_thread = 3
[llm.protocols.anthropic]
path = "llm/openai/"
[llm.providers.a]
type = "openai"
api_key = "{{ env.NOPE }} {{ nix }}"
base_url = "sk-hushhush-openai"
[llm.providers."b/c"]
type = "echo"
[llm.providers.d]
type = "nix"
[llm.providers.e]
type = "anthropic"
"""
    said = problems(tmp_path, text)
    assert [int(line.split(":")[1]) for line in said] == [2, 3, 5, 8, 8, 9, 10, 13, 14]


NOT_TOML = {
    "syntax": ("a = 1\nb = = 2\n", "nexus.toml:2: is not valid TOML: Invalid value (column 5)"),
    "no quotes": ("a = x.y", "nexus.toml:1: is not valid TOML: Invalid value (column 5); a text needs quotes"),
    "no quotes around a template": ("a = {{ env.X }}", "nexus.toml:1: is not valid TOML: Invalid initial character"),
    "no quotes after digits": ("a = 10m", "nexus.toml:1: is not valid TOML: Expected newline or end of document"),
    "curly quotes": (
        "a = \u201cx\u201d",
        "nexus.toml:1: is not valid TOML: Invalid value (column 5); write straight quotes",
    ),
    "duplicate key": (
        "a = 1\na = 2",
        "nexus.toml:2: is not valid TOML: Cannot overwrite a value (at end of document); the same key is above",
    ),
    "duplicate table": ("[a]\n[a]\n", "nexus.toml:2: is not valid TOML: Cannot declare ('a',) twice (column 3); there"),
    "open quote": ('a = "b\n', "nexus.toml:1: is not valid TOML: Illegal character '\\n' (column 7); a closing quote"),
    "capital": ("a = True", "nexus.toml:1: is not valid TOML: Invalid value (column 5); true and false are in lower"),
    "YAML": (
        "a: 1",
        "nexus.toml:1: is not valid TOML: Expected '=' after a key in a key/value pair (column 2); the file",
    ),
    "JSON": ('{"a": 1}', "nexus.toml:1: is not valid TOML: Invalid statement (column 1); the file is TOML, not JSON"),
    "unclosed array": ("a = 1\nb = [1\n", "nexus.toml:2: is not valid TOML: Unclosed array (at end of document)"),
    "not UTF-8": (b"a = 1\nb = '\xff'", "nexus.toml:2: is not UTF-8 text; save the file as UTF-8"),
    "deep arrays": ("a = " + "[" * 2000 + "]" * 2000, "nexus.toml: is nested too deeply"),
    "deep tables": (".".join("a" * 2000) + " = 1", "nexus.toml: is nested too deeply"),
    "absurd number": ("a = " + "9" * 5000, "nexus.toml:1: is not valid TOML: "),
}


@pytest.mark.parametrize(("text", "message"), NOT_TOML.values(), ids=NOT_TOML.keys())
def test_invalid_toml_is_reported(tmp_path: Path, text: str | bytes, message: str) -> None:
    (line,) = problems(tmp_path, text)
    assert line.startswith(message)


def test_a_directory_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: is a directory"):
        load(tmp_path, {})


def test_an_endless_device_is_rejected() -> None:
    with pytest.raises(SettingsError, match="larger than 16777216 bytes"):
        load(Path("/dev/zero"), {})


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = read(tmp_path, PROVIDER)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.worker_threads = 1
