"""The responses dialect: OpenAI's ``/v1/responses``, which Codex and the OpenAI SDK speak."""
