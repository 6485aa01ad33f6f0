"""Metrics: counted as calls end, in rows shared by all processes, and exposed for Prometheus."""
