"""End-to-end tests of the server, with real sockets on both sides."""
