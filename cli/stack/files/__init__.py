"""Small files of a data directory: written atomically, set aside, identified."""
