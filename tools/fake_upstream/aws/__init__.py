"""The fake Bedrock: signatures, shapes, Converse, and InvokeModel for Claude."""
