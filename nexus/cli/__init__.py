"""The command line: its parser, every command except serving, the agent launcher and the smoke test."""
