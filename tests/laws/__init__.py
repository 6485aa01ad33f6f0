"""Laws across dialects: what goes in at one side is found again at the other, or its loss is named."""
