"""The page for people: what it is told, and how it looks in a browser."""
