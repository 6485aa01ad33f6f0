"""The dashboard: what it is told, and how it looks in a browser."""
