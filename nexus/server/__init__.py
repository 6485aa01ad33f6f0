"""The clients' side: the only Tornado code.

Reads, writes, flushes and renders errors; knows no vendor.
"""
