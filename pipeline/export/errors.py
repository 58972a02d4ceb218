"""The error of an export."""


class ExportRefusedError(Exception):
    """A folder or a database can't be used for an export. The message says what to change."""
