"""The Converse dialect against botocore's service model."""
