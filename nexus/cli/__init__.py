"""The command line: its parser and its commands, with folders for the agent launcher and the smoke test."""
