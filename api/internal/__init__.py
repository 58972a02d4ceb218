"""``/v2/internal/*``: what the servers of a cluster tell and ask each other."""
