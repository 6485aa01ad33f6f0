"""The command line: what its words mean, the agents that it starts, and the test of every model."""
