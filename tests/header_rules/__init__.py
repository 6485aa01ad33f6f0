"""Header rules."""
