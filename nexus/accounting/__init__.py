"""Accounting: records, prices and reports of finished calls."""
