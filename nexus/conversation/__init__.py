"""The neutral form of a conversation and of its answer, which every dialect reads into and writes from."""
