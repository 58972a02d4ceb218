"""Reads data files and other catalogues into the database (`acoustid import`)."""
