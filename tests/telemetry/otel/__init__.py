"""OpenTelemetry, tested with its own types."""
