"""Tests of the providers, one folder for each."""
