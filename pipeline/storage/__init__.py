"""The storage engine: immutable segments, named by a manifest that is replaced atomically.

One writer, any number of readers in other processes. The index and the fingerprint store use it;
each describes its files by a `StorageFormat` and brings its own segments.
"""
