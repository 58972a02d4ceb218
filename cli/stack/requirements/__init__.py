"""Refusals before a start: the path, the disk, the limit of open files."""
