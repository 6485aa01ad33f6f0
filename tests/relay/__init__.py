"""Tests of one attempt and its answer."""
