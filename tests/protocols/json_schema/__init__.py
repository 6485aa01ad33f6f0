"""Clients' schemas, converted to what vendors accept."""
