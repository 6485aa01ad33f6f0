"""Artefacts of a release: what they hold, how they install, where they start."""
