"""The configuration of the benchmark: what a team would turn on (a key, limits, header rules, the access log); ledger,
metrics and the page are off by default.
"""

from __future__ import annotations

KEY = "nx-benchmark-key-of-nobody"
HEADERS = {"authorization": f"Bearer {KEY}", "x-team-cost": "research", "x-trace-internal": "1"}
"""Headers that every client sends."""

PATHS = {
    "chat": "/llm/openai/v1/chat/completions",
    "messages": "/llm/anthropic/v1/messages",
    "responses": "/llm/openai/v1/responses",
}

_SERVER = """
[server]
listen_address = "127.0.0.1:{port}"
workers = {workers}
worker_threads = 2048
[server.keys.alice]
key = "{key}"
group = "staff"
[server.client_identification]
enabled = true
client_id = {{ gateway_key = true }}
group_id = {{ gateway_key = true }}
[server.metrics]
enabled = {books}
[server.dashboard]
enabled = {books}
[server.rate_limits]
global = {{ limit = 100_000_000, interval = "60s" }}
"""

_REDIS = """
[server.rate_limits.storage]
type = "redis"
url = "{url}"
"""

_NO_LEDGER = """
[usage]
store = "none"
"""

_PROVIDER = """
[llm.providers.{name}]
type = "{type}"
{settings}
[[llm.providers.{name}.headers]]
rule = "forward"
pattern = "^x-team-"
[[llm.providers.{name}.headers]]
rule = "remove"
pattern = "-internal$"
[[llm.providers.{name}.headers]]
rule = "insert"
name = "x-sent-by"
value = "nexus"
[llm.providers.{name}.rate_limits.per_user]
input_token_limit = 1_000_000_000_000
output_token_limit = 1_000_000_000_000
request_limit = 1_000_000_000
interval = "60s"
"""

_MODEL = """
[llm.providers.{name}.models."{model}"]
rename = "{rename}"
"""

_AWS = """region = "eu-central-1"
access_key_id = "AKIABENCHMARK0000000"
secret_access_key = "benchmark-secret-of-nobody"
"""

_VENDORS = {
    "chat": ("openai", 'base_url = "{url}/v1"\napi_key = "{secret}"', "gpt-4.1"),
    "messages": ("anthropic", 'base_url = "{url}"\napi_key = "{secret}"', "claude-sonnet-4-5"),
    "responses": ("openai", 'base_url = "{url}/v1"\napi_key = "{secret}"\nresponses = true', "gpt-5.5"),
    "gemini": ("google", 'base_url = "{url}"\napi_key = "{secret}"', "gemini-3.8-flash"),
    "converse": ("bedrock", _AWS + 'base_url = "{url}"', "amazon.nova-pro-v1:0"),
}
"""Provider type, settings and a model name, by the vendor's dialect."""


def config(
    port: int,
    vendor: str,
    *,
    models: tuple[str, ...] = (),
    dialects: tuple[str, ...] = ("chat", "messages"),
    workers: int = 1,
    books: bool = False,
    redis: str = "",
) -> str:
    """A ``nexus.toml`` with a provider for each of ``dialects``, named after it, at the URL ``vendor``. The models are
    ``whole``, under the vendor's name, and ``models``, under their own names. ``books`` turns on the ledger, metrics
    and the page; ``redis`` is the URL of the store for limits, "" for memory."""
    text = _SERVER.format(port=port, workers=workers, key=KEY, books=str(books).lower())
    text += ("" if books else _NO_LEDGER) + (_REDIS.format(url=redis) if redis else "")
    for name in dialects:
        type, settings, rename = _VENDORS[name]
        settings = settings.format(url=vendor, secret="vendor-key-of-nobody-0123456789")
        text += _PROVIDER.format(name=name, type=type, settings=settings)
        text += _MODEL.format(name=name, model="whole", rename=rename)
        text += "".join(_MODEL.format(name=name, model=model, rename=model) for model in models)
    return text
