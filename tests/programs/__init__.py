"""The real Claude Code and Codex, headless, in front of every vendor lane."""
