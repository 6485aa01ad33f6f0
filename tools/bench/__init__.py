"""Benchmarks of Nexus: against minimal prototypes, against any other gateway, and as a count of function calls.

``python -m tools.bench`` prints the table; ``python -m tools.bench.work`` counts function calls, which do not depend on
the load of the machine.
"""
