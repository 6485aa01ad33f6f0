"""Telemetry for operators: logs, metrics and traces.

Law: telemetry observes; no call waits for it or fails because of it.
"""
