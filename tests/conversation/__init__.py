"""Tests of the neutral form."""
