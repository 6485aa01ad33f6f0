"""The handlers of every endpoint."""
