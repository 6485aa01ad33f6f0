"""Authentication of callers by gateway keys and identity provider tokens, and the checks for browsers.

Law: fails closed. A caller that cannot be identified for certain is rejected, and no identity stands for unknown
callers. Credentials are compared, and never stored in the clear, logged or shown.
"""
