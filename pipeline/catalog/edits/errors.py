"""The errors of edits. Their messages are for admins and contain no text of an exception."""


class EditRefusedError(Exception):
    """The edit is not possible. Nothing was changed. The message has the reason."""


class NotInCatalogueError(EditRefusedError):
    """A track, a link, a text or an edit does not exist."""


class UnknownFingerprintError(NotInCatalogueError):
    """A fingerprint does not exist."""
