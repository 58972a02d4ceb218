"""Loads a MusicBrainz dump beside the tables in use, and switches to it.

`source` opens an archive or an unpacked directory. `load` copies its tables into a second schema
and renames the schemas. See decision 39.
"""
