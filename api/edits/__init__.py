"""``/v2/edit/*``: corrections of the catalogue by admins."""
