"""Wire dialects, without I/O: one folder each, which depend on each other only through the neutral form."""
