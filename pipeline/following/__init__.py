"""The index and the fingerprint store follow the changelog."""
