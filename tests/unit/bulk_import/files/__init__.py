"""Unit tests of the import of data files."""
