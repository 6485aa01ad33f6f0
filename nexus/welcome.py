"""What a person reads who starts Nexus without a settings file.

Law: every line that looks like a command works when it is pasted.
"""

from __future__ import annotations

DEMO = """\
No nexus.toml here, so this is the demo: a built-in echo provider that answers by itself.
It calls no vendor and needs no key. Models: demo/echo, and demo/echo-tools, which answers
with a tool call when it is given tools.

Try it:

    curl '{base}/llm/openai/v1/chat/completions' -H 'Content-Type: application/json' \\
         -d '{{"model": "demo/echo", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

Point Claude Code at it:

    export ANTHROPIC_BASE_URL='{base}/llm/anthropic'
    export ANTHROPIC_MODEL=demo/echo

If Claude Code asks for a login, set ANTHROPIC_AUTH_TOKEN to any text: it is not checked.

For real models, `nexus init` writes a nexus.toml from the vendor keys in your environment.
"""


def demo_text(base: str) -> str:
    """The console text of the demo, served at ``base`` such as "http://127.0.0.1:8000"."""
    return DEMO.format(base=base.rstrip("/"))
