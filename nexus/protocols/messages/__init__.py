"""The messages dialect: Anthropic's ``/v1/messages``."""
