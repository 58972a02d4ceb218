"""Tests of the copy of MusicBrainz."""
