"""Helpers for tests of the copy of MusicBrainz."""
