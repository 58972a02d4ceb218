"""``acoustid bench turns``: variants of the service, measured in turns."""
