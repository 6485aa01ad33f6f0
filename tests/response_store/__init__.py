"""Kept answers: their stores, and what a call may ask of them."""
