"""One blocking HTTP exchange with a vendor: its request and reply, the transport, and the sockets below it."""
