"""Which of a client's headers travel to a vendor, under which name, and which are added.

Law: pure, and below the settings, whose header rules know how they are applied.
"""
