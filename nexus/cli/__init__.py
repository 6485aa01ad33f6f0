"""The command line: what its words mean, every command but serving, agents that it starts, the test of every model."""
