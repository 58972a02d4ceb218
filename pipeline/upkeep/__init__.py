"""Keeping links to MBIDs as MusicBrainz has them; finding duplicate tracks."""
