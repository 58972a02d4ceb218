"""``/v2/user/*``: accounts of users, and their MusicBrainz access tokens."""
