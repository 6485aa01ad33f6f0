"""Tests of the neutral conversation model."""
