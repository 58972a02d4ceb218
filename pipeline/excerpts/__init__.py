"""Identifies excerpts: candidates by their terms, then a comparison of the words themselves."""
