"""One blocking HTTP exchange with a vendor: request and reply, the transport, and the sockets below it."""
