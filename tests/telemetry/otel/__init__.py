"""OpenTelemetry, by its own types."""
