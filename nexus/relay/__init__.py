"""One attempt: in which lane it goes, what is sent, and what of the answer reaches the client."""
