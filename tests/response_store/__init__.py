"""Stored answers: the stores, and what calls may request from them."""
