"""Tests of the Google provider: the Gemini API, Vertex AI and what issues its tokens."""
