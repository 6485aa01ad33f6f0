"""Development programs: run from a checkout, never imported by the gateway."""
