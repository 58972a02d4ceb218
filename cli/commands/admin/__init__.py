"""Commands that administer index, store, submissions and MusicBrainz."""
