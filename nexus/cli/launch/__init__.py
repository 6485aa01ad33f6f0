"""``nexus claude``, ``codex`` and ``env``: an agent in front of the gateway that runs, or of one of its own."""
