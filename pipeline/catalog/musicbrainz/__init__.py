"""The MusicBrainz database: tables, statements, loading a dump."""
