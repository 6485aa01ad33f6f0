"""Clients' schemas, fitted to what vendors take."""
