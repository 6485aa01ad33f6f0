"""Limits: who may spend how much in any interval, reserved before a call and settled after it."""
