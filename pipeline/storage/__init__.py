"""The storage engine: immutable segments, listed in a manifest that is replaced atomically.

One writer, any number of readers in other processes. The index and the fingerprint store use it;
each describes its files in a `StorageFormat` and has its own segments.
"""
