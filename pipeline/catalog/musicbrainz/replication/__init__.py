"""Applies MusicBrainz's replication packets to the copy (`acoustid musicbrainz follow`)."""
