"""The errors of a load."""


class DumpError(ValueError):
    """A dump can't be loaded. Nothing was changed. The message says what to change."""


class OtherDumpError(Exception):
    """The tables that an interrupted load has left are not those of this dump."""
