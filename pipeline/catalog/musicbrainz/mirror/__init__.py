"""Checks whether lookups can read a MusicBrainz database (`acoustid musicbrainz connect`)."""
