"""OpenTelemetry: what was recorded of a call becomes spans and metrics, and goes to a collector.

Nothing here imports ``opentelemetry`` but ``sdk``, which is imported only where an exporter is configured.
"""
