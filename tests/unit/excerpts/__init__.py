"""Tests of `pipeline.excerpts`."""
