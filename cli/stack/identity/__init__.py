"""The identity of a data directory: whether it is the original, was moved, or is a copy."""
