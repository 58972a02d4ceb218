"""Fingerprints: their format, query terms, simhash, scores and identities. Pure NumPy."""
