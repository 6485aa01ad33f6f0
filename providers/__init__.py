"""The vendors, one folder each; a folder's ``PROVIDER`` is what the registry loads by the folder's name."""
