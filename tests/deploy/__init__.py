"""Files of ``deploy/``, tested as far as possible without a cluster."""
