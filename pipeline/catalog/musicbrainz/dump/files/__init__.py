"""Reads the files of a dump, from an archive or a directory, and checks them."""
