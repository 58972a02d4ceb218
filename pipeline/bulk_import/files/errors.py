"""Errors that stop an import of data files."""


class DataImportError(Exception):
    """The import can't begin or go on. The message says what to change."""
