"""The subcommands of ``nexus`` besides the server: plain values in, an exit code out."""
