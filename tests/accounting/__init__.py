"""Accounting: prices, the ledger on each database, reports."""
