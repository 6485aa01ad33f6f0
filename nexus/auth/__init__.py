"""Who calls: gateway keys, tokens of an identity provider, and what a page of a browser may do.

Law: fails closed. Whoever is not told apart for certain is refused, and there is no identity that stands for nobody
in particular; a credential is compared, never stored in the clear, logged or shown.
"""
