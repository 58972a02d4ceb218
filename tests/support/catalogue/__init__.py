"""Fingerprints, recordings and content of the databases for tests."""
