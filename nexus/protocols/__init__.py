"""Wire dialects, sans I/O: one folder each, known to one another only through the neutral form."""
