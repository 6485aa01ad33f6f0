"""Logs: what is written, and what never is."""
