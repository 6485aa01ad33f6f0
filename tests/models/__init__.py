"""Tests of the facts about models."""
