"""Answers to Responses clients that were translated, kept for a while, so that their clients can refer to them by id;
and of what vendors keep, whose it is.

Law: only the caller who got an answer finds it again. Everything is bounded: bytes in all, bytes for
each caller, time. Where an answer is lost, the error asks the client to send it.
"""
