"""Processes of one machine: what they share and how they call each other."""
