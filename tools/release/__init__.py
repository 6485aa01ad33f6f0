"""Release tools: reproducible artefacts, the lock file, and the size of an install."""
