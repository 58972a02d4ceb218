"""Entries of lines or of audio files: their parameters, and the batches that send them."""
