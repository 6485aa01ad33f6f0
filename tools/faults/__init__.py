"""Faults on purpose: a gateway as a process of its own, a fake vendor, and what both are made to suffer."""
