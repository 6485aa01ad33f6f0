"""``nexus claude``, ``codex`` and ``env``: run an agent through the running gateway, or through one started for it."""
