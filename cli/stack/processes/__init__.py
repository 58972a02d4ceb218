"""One process of a stack: start, restart, stop, identity."""
