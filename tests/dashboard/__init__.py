"""The dashboard: the data it gets, and how it looks in a browser."""
