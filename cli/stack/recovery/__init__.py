"""Repairs what a crash or a fault of the disk has left in a data directory."""
