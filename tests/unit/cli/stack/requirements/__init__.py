"""Tests of the requirements of a data directory."""
