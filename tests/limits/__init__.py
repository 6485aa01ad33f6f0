"""Limits: windows, both stores, rules, admission."""
