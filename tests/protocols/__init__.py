"""Wire dialects, tested with recorded bytes and tables of cases."""
