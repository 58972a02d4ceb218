"""Restores a backup: a data directory or empty databases, then index, store and sketch index."""
