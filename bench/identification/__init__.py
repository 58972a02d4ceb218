"""Measures how well pieces and rough copies of recordings are identified."""
