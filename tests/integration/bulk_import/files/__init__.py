"""The import of data files on real databases."""
