"""Writes the rows of data files to the fingerprint database, one batch in one transaction."""
