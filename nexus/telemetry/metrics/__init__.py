"""Metrics: counted as calls end, in rows that all processes see, and shown as Prometheus reads them.

Law: what labels say comes from the configuration and the code alone, never from a caller.
"""
