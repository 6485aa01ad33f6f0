"""The server end to end: real sockets on both sides."""
