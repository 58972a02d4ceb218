"""Tests of `cli.status`."""
