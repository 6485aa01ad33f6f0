"""The vendors, one folder each; the registry loads a folder's ``PROVIDER`` by the folder's name."""
