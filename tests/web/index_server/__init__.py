"""Tests of the index server through HTTP and TCP."""
