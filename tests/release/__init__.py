"""Artefacts of a release: their contents, installation and start."""
