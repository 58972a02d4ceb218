"""Keeps the index and the fingerprint store up to date with the changelog.

`open_index` opens the index for searching or writing. `update_index` and `update_store` apply the
changelog's entries, and rebuild the index or the store from all fingerprints.
"""
