"""The subcommands of ``nexus`` that serve nothing."""
