"""Tests of the recovery of a data directory."""
