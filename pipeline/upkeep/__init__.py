"""Maintenance of the catalogue: MBIDs that MusicBrainz merged or removed, and duplicate tracks.

`missing_mbids` handles MBIDs that lookups did not find in MusicBrainz, `mbid_redirects` scans all
links for merged MBIDs, and `duplicate_tracks` finds tracks for an operator to merge. The tasks that
run the first two are in `tasks.periodic.mbid_upkeep`.
"""
