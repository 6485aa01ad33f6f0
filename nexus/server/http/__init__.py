"""HTTP/1.1 on the client's side: sockets, heads, bodies, and the time that each phase may take."""
