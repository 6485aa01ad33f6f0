"""The configuration file: what is accepted, and how problems are reported."""
