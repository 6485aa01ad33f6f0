"""The fake Google: the Gemini API and Vertex AI, which share bodies, answers and errors."""
