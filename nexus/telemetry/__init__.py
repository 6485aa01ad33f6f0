"""What Nexus tells its operators about itself.

Law: telemetry observes; no call waits for it or fails because of it.
"""
