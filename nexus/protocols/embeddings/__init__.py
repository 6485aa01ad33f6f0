"""Embeddings, asked for as OpenAI has it and translated for vendors that have formats of their own."""
