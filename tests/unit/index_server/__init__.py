"""Tests of the index server without HTTP."""
