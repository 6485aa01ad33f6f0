"""The Converse dialect of AWS Bedrock Runtime: Converse and ConverseStream."""
