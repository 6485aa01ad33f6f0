"""OpenTelemetry: turns records of calls into spans and metrics, and exports them to a collector.

Only ``sdk`` imports ``opentelemetry``, and other packages use only ``open_exporting``, which imports the rest if an
exporter is configured.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from nexus.settings.telemetry import TelemetrySettings

if TYPE_CHECKING:
    from nexus.telemetry.otel.exporting import Exporting


def open_exporting(settings: TelemetrySettings) -> Exporting | None:
    """Starts exporting; returns None, without any import, if nothing is configured."""
    if settings.traces_to is None and settings.metrics_to is None:
        return None
    from nexus.telemetry.otel.exporting import Exporting, LastError
    from nexus.telemetry.otel.sdk import open_sdk

    # The SDK logs every failed attempt; Nexus logs a failure once, with the SDK's last message.
    log, last_error = logging.getLogger("opentelemetry"), LastError()
    log.handlers, log.propagate = [last_error], False
    exporting = Exporting(settings, open_sdk(settings, secrets.token_hex(16)), last_error)
    exporting.start()
    return exporting
