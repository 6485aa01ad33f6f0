"""The dashboard, at ``[server.dashboard] path``: one static file, and what it shows as JSON."""
