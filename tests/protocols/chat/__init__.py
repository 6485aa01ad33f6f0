"""The chat codec: requests, answers, streams and failures, in both directions."""
