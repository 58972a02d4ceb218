"""``/v2/user/*``: the accounts of users, some of which are MusicBrainz users."""
