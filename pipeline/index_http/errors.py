"""What can go wrong with an index on a server, as exceptions."""

from __future__ import annotations

from pipeline.index import FingerprintIndexError


class IndexUnavailable(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """No server gave an answer that can be used; the same question may succeed later."""


class RequestRefused(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """A server understands the protocol and will not do what was asked, however often it is."""


class ServerFailed(Exception):  # noqa: N818 - named for what it reports
    """One server gave no usable answer; another may."""


class ServerBehind(ServerFailed):
    """One server lacks changes that an answer of the same index had before."""


class IndexMissing(Exception):  # noqa: N818 - named for the state it reports
    """The server has no index of that name."""


class VersionConflict(Exception):  # noqa: N818 - named for what it reports
    """The index is not at the version that the changes were made for."""
