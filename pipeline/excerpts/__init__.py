"""Finds the recordings that contain an excerpt: candidates, alignment and significance."""
