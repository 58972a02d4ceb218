"""The database ``musicbrainz``: a copy of MusicBrainz's tables, read for metadata."""
