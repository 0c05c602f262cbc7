"""Retrieval: what a source does, how it is asked, and how a committee works out what its answers were worth."""
