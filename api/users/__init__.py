"""``/v2/user/*``: accounts."""
