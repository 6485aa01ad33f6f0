"""Limits: how much each user may spend in any interval. Reserved before a call and settled after it."""
