"""Checks a data directory, and repairs what a crash or a fault of the disk has left in it."""
