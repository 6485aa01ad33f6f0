"""The clients' side: the only Tornado code of the house.

Law: reads, writes, flushes and renders errors; knows no vendor.
"""
