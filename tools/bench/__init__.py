"""What Nexus costs, measured: against bare prototypes, against any other gateway, and as work that is counted.

``python -m tools.bench`` prints the table; ``python -m tools.bench.work`` counts function calls, which no other program
on the machine can change.
"""
