"""Compiles loops, and has functions that several loops use."""
