"""Tests of the messages dialect."""
