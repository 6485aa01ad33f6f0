"""Answers to Responses clients that were translated, kept for a while, so that their clients can refer to them by id;
and of what vendors keep, whose it is.

Law: an answer belongs to who asked; whoever else names it finds nothing. Everything is bounded: bytes in all, bytes for
each caller, time. What is kept is a help and never a promise: where it is lost, clients are told to send it themselves.
"""
