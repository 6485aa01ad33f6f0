"""One attempt: which lane it takes, what is sent, and what of the answer reaches the client."""
