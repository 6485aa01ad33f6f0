"""The stages of a call: limits, route, attempts."""
