"""``/v2/user/*``: checks and creates the accounts of users."""
