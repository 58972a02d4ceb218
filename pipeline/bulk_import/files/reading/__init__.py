"""Reads data files: finds them, reads lines within limits, checks values, encodes rows."""
