"""Tests of the errors of all commands."""
