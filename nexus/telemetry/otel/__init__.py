"""OpenTelemetry: what was recorded of a call becomes spans and metrics, and goes to a collector.

Nothing here imports ``opentelemetry`` but ``sdk``, and nothing elsewhere imports the rest but ``open_exporting``, where
an exporter is configured.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from nexus.settings.telemetry import TelemetrySettings

if TYPE_CHECKING:
    from nexus.telemetry.otel.exporting import Exporting


def open_exporting(settings: TelemetrySettings) -> Exporting | None:
    """None where nothing is configured, and nothing was imported. Its thread runs from now on."""
    if settings.traces_to is None and settings.metrics_to is None:
        return None
    from nexus.telemetry.otel.exporting import Exporting
    from nexus.telemetry.otel.sdk import open_sdk

    # It logs every failed try by itself, and we say so once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporting = Exporting(settings, open_sdk(settings, secrets.token_hex(16)))
    exporting.start()
    return exporting
