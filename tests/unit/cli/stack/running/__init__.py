"""Tests of the search for running stacks."""
