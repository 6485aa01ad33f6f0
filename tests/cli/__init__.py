"""The command line: starting agents, detecting providers on a machine, completion."""
