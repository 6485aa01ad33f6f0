"""Which of a client's headers travel to a vendor, under which name, and which are added.

Law: pure. ``names`` and ``pattern`` are values that the settings lean on; ``engine`` walks the rules of the settings.
"""
