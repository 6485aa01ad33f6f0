"""Generates documentation tables from the tables that the code uses."""
