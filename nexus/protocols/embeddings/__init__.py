"""Embeddings requests in OpenAI's form, translated for vendors with other formats."""
