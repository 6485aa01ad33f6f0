"""The dashboard, at ``[server.dashboard] path``: a static page, and its data as JSON."""
