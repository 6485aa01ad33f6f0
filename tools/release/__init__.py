"""What a release is made of: artefacts that build the same anywhere, the lock file, and what an install weighs."""
