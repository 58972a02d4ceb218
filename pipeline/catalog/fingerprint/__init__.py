"""The database ``fingerprint``: fingerprints, tracks, their links, the changelog."""
