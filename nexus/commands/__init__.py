"""The subcommands of ``nexus`` that serve nothing.

Law: a command is a function from plain values to an exit code; it writes to the console and reads no flags.
"""
