"""``acoustid bench turns``: measures variants of code and settings in turns."""
