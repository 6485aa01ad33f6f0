"""Logs for operators.

Law: telemetry observes; no call waits for it or fails because of it.
"""
