"""The clients' side: the only Tornado code.

Law: reads, writes, flushes and renders errors; knows no vendor.
"""
