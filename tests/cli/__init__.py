"""The command line: agents that it starts, what it finds on a machine, completion."""
