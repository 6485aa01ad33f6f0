"""Tests of the Bedrock provider: bodies, signatures, credentials, event streams."""
