"""Stored answers: translated answers to Responses clients, kept for a while so that clients can refer to them by id;
and the owners of what vendors store.

Law: only the caller who got an answer can read it. Everything is bounded: total bytes, bytes per caller, time. If an
answer is lost, the error asks the client to send it.
"""
