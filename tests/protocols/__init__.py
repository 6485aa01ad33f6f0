"""Wire dialects, by files of bytes and tables of cases."""
