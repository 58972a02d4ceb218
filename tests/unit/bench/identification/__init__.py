"""Tests of `bench.identification`."""
