"""The gemini dialect: ``generateContent`` and ``streamGenerateContent?alt=sse`` of the Gemini API and of Vertex AI."""
