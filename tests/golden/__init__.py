"""Whole conversations over several vendors, as real clients hold them."""
