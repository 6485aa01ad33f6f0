"""The suite: a mirror of the source; ``serving`` starts the real server, ``tools.fake_upstream`` plays the vendors."""
