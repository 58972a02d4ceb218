"""Tests of the index server over HTTP and TCP."""
