"""The stages of a call: limits, routing, attempts."""
