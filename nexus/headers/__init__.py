"""Which of a client's headers travel to a vendor, under which name, and which are added."""
