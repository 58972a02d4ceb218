"""Commands of `acoustid musicbrainz`."""
