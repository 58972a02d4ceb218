"""The errors of following MusicBrainz. Their messages say what to change and have no secrets."""


class ReplicationError(ValueError):
    """The next packet cannot be applied, and nothing was changed."""


class SourceUnavailableError(ReplicationError):
    """The source of packets cannot be read at present; a later attempt may succeed."""


class CopyBusyError(ReplicationError):
    """Another process loads or follows MusicBrainz."""
