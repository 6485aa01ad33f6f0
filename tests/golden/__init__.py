"""Whole conversations across several vendors, as real clients hold them."""
