"""``acoustid bench turns``: variants of the code and settings, measured in turns."""
