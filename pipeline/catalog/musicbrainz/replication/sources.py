"""The sources of packets: a directory, or a web address (`web_source`)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError, SourceUnavailableError
from pipeline.catalog.musicbrainz.replication.packet import PACKET_NAME, packet_names


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Time limits in seconds, and the number of attempts.

    Attributes:
        connect: for a connection.
        reply: for each part of a reply.
        total: for all attempts to download a packet together.
        attempts: maximum number of attempts.
        pause: time before the second attempt; each later pause is twice as long.
    """

    connect: float = 10.0
    reply: float = 30.0
    total: float = 600.0
    attempts: int = 3
    pause: float = 1.0


class PacketSource(Protocol):
    """Finds packets by their numbers."""

    def newest(self) -> int | None:
        """Return the number of the newest packet; None if it is not known.

        Raises:
            ReplicationError: the source cannot be read.
        """
        ...

    def packet(self, sequence: int) -> AbstractContextManager[Path | None]:
        """Return the file of a packet for a block; None if there is no such packet yet.

        Raises:
            ReplicationError: the source cannot be read, or has later packets but not this one.
        """
        ...


class DirectorySource:
    """Packets in a directory. Their names are those of MusicBrainz's server.

    Args:
        directory: the directory. Other files in it are ignored.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def newest(self) -> int | None:
        """Return the number of the newest packet; None without a packet."""
        return max(self._sequences(), default=None)

    @contextmanager
    def packet(self, sequence: int) -> Iterator[Path | None]:
        """Yield the file of a packet; None if there is no such packet yet."""
        yield self._find(sequence)

    def _find(self, sequence: int) -> Path | None:
        for name in packet_names(sequence):
            if (path := self._directory / name).is_file():
                return path
        later = [each for each in self._sequences() if each > sequence]
        if later:
            raise gap(sequence, min(later), str(self._directory))
        return None

    def _sequences(self) -> Iterator[int]:
        try:
            names = [path.name for path in self._directory.iterdir()]
        except OSError as error:
            raise SourceUnavailableError(
                f"the directory {self._directory} cannot be read: {error.strerror}"
            ) from error
        for name in names:
            if found := PACKET_NAME.fullmatch(name):
                yield int(found[1])


def gap(sequence: int, later: int, source: str) -> ReplicationError:
    """Return the error of a missing packet.

    Args:
        sequence: the number of the next packet.
        later: the number of a packet after it.
        source: the directory or the address, without a secret.
    """
    return ReplicationError(
        f"{source} has packet {later}, but not packet {sequence}, which comes before it: add "
        f"{packet_names(sequence)[0]}, or load a newer dump with `acoustid musicbrainz load`"
    )
