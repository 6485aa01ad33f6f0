"""The fake Bedrock: signatures, shapes, Converse, and Claude by InvokeModel."""
