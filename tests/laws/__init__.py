"""Laws across dialects: content sent in one dialect arrives in the other, or its loss is reported by name."""
