"""Tests of the tables of model facts."""
