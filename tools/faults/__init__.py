"""Fault injection: a gateway in its own process, a fake vendor, and the faults of clients, vendors and processes."""
