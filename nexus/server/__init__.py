"""The client-facing side, and the only code that uses Tornado.

It reads requests, writes and flushes answers, and renders errors. It knows no vendor.
"""
