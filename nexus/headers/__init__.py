"""Which client headers are forwarded to a vendor, under which names, and which headers are added."""
