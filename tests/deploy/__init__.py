"""Files of ``deploy/``, tried as far as a machine without a cluster can."""
