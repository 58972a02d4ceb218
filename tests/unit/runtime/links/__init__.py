"""Tests of `pipeline.runtime.links`."""
