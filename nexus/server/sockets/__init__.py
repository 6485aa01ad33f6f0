"""The sockets that clients connect to: opened, inherited, shared among processes, and accepted from."""
