"""Commands that administer keys, catalogue, index, store and MusicBrainz."""
