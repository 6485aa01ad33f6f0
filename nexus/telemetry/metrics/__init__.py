"""Metrics: counted as calls end, in rows that all processes see, and shown as Prometheus reads them."""
