"""Tests of the identification of excerpts."""
