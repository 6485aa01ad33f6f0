"""Programs around the gateway: run from a checkout, never imported by the gateway itself."""
