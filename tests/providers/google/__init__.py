"""Tests of the Google provider: the Gemini API, Vertex AI and their token sources."""
