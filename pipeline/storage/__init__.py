"""The storage engine under the index and the fingerprint store."""
