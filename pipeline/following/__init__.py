"""Keeps the index and the other copies of the fingerprints up to date with the changelog.

The other copies are the fingerprint store and the sketch index (`followers`). `open_index` opens
the index for searching or writing. `update_index` applies the changelog's entries to all of them,
and rebuilds one from all fingerprints.
"""
