"""The chat dialect: OpenAI's ``/v1/chat/completions`` and the servers compatible with it."""
