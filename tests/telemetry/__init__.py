"""Logs, metrics and traces, and that they never contain secrets."""
