"""Downloads packets from a server, such as https://metabrainz.org/api/musicbrainz.

The server needs a token, as a parameter of the address: https://metabrainz.org/api. The token is
sent to the configured server only, over TLS unless it is on this host, and is in no error and no
log. An error of urllib3 may contain the address, so no error here has it as its cause.
"""

import ipaddress
import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import urllib3
from pydantic import SecretStr
from urllib3.exceptions import (
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError, SourceUnavailableError
from pipeline.catalog.musicbrainz.replication.packet import packet_names
from pipeline.catalog.musicbrainz.replication.sources import DownloadLimits, gap

MAX_DOWNLOAD: Final = 1 << 30
"""Maximum bytes of a packet as it is sent. Packets of an hour have a few MB."""

_MAX_INFO: Final = 65_536  # bytes of the description of the newest packet
_MAX_REDIRECTS: Final = 5
_PIECE: Final = 1 << 16  # bytes
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSED: Final = frozenset({400, 401, 403})
_PORTS: Final = {"http": 80, "https": 443}
_PARAMETER: Final = "token"
_LAST_PACKET: Final = re.compile(r"replication-(\d{1,9})(?:-v2)?(?:\.tar\.bz2)?")


class WebSource:
    """Packets on a server.

    Args:
        address: the address of the folder of the packets, without a token.
        token: the token; None for a server that needs none.
        limits: the limits of a download.

    Raises:
        ReplicationError: the token would be sent without TLS to another host.
    """

    def __init__(
        self, address: str, token: SecretStr | None, limits: DownloadLimits | None = None
    ) -> None:
        self._base = address.rstrip("/") + "/"
        self._token = token
        self._limits = limits or DownloadLimits()
        self._pool = urllib3.PoolManager(retries=False)
        parts = urlsplit(self._base)
        if token is not None and parts.scheme != "https" and not _is_this_host(parts.hostname):
            raise ReplicationError(
                f"{address}: use https:// with [musicbrainz] replication_token: the token would be "
                "sent in plain text"
            )

    def newest(self) -> int | None:
        """Return the number of the newest packet; None if the server does not tell it."""
        name = "replication-info"
        url = urljoin(self._base, name)
        try:
            deadline = time.monotonic() + self._limits.total
            with self._reply(url, deadline) as reply:
                if reply.status != HTTPStatus.OK:
                    return None
                text = b"".join(self._pieces(name, reply, _MAX_INFO, deadline))
            last = json.loads(text).get("last_packet")
        except (ReplicationError, ValueError, AttributeError):
            return None
        found = _LAST_PACKET.fullmatch(last) if isinstance(last, str) else None
        return int(found[1]) if found else None

    @contextmanager
    def packet(self, sequence: int) -> Iterator[Path | None]:
        """Yield the downloaded file of a packet, which is deleted afterwards; None if missing."""
        deadline = time.monotonic() + self._limits.total
        with tempfile.TemporaryDirectory(prefix="acoustid-packet-") as folder:
            for name in packet_names(sequence):
                path = Path(folder) / name
                if self._download(name, path, deadline):
                    yield path
                    return
        newest = self.newest()
        if newest is not None and newest > sequence:
            raise gap(sequence, newest, self._base)
        yield None

    def _download(self, name: str, path: Path, deadline: float) -> bool:
        """Write a file; return False if the server does not have it. Try again after a failure."""
        pause = self._limits.pause
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._download_once(name, path, deadline)
            except SourceUnavailableError:
                if attempt == self._limits.attempts or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
            pause *= 2
        raise AssertionError("there is at least one attempt")

    def _download_once(self, name: str, path: Path, deadline: float) -> bool:
        with self._reply(urljoin(self._base, name), deadline) as reply:
            if reply.status == HTTPStatus.NOT_FOUND:
                return False
            self._check_status(name, reply.status)
            with path.open("wb") as file:
                for piece in self._pieces(name, reply, MAX_DOWNLOAD, deadline):
                    file.write(piece)
        return True

    def _pieces(
        self, name: str, reply: urllib3.BaseHTTPResponse, limit: int, deadline: float
    ) -> Iterator[bytes]:
        """Yield the body of a reply, of at most `limit` bytes."""
        size = 0
        while True:
            try:
                # `read1` returns what has arrived, so a slow server cannot pass the deadline.
                piece = reply.read1(_PIECE, decode_content=False)
            except (HTTPError, OSError) as error:
                raise self._unavailable(name, _kind(error)) from None
            if not piece:
                return
            size += len(piece)
            if size > limit:
                raise ReplicationError(
                    f"{self._base}{name} has over {limit} bytes, so it is no packet"
                )
            if time.monotonic() > deadline:
                raise self._unavailable(name, "the download takes too long")
            yield piece

    def _check_status(self, name: str, status: int) -> None:
        if status == HTTPStatus.OK:
            return
        if status in _REFUSED:
            raise ReplicationError(
                f"{self._base} refuses the token (status {status}): set [musicbrainz] "
                "replication_token to a token of https://metabrainz.org/profile"
            )
        if status >= 500 or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise self._unavailable(name, f"status {status}")
        raise ReplicationError(
            f"{self._base}{name}: the server replies with the status {status}: check the address"
        )

    @contextmanager
    def _reply(self, url: str, deadline: float) -> Iterator[urllib3.BaseHTTPResponse]:
        """Request an address and follow redirects; the body is not read yet."""
        name = url.removeprefix(self._base)
        for _ in range(_MAX_REDIRECTS + 1):
            try:
                reply = self._pool.request(
                    "GET",
                    self._with_token(url),
                    redirect=False,
                    preload_content=False,
                    timeout=self._timeout(name, deadline),
                )
            except (HTTPError, OSError) as error:
                raise self._unavailable(name, _kind(error)) from None
            try:
                target = reply.headers.get("Location")
                if reply.status not in _REDIRECTS or target is None:
                    yield reply
                    return
            finally:
                reply.close()
            url = self._target(url, target, name)
        raise ReplicationError(f"{self._base}{name}: the server redirects too often")

    def _timeout(self, name: str, deadline: float) -> urllib3.Timeout:
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._unavailable(name, "the download takes too long")
        return urllib3.Timeout(
            connect=min(self._limits.connect, left), read=min(self._limits.reply, left)
        )

    def _target(self, url: str, target: str, name: str) -> str:
        """Return the address of a redirect, without a token: `_with_token` adds it where it may."""
        try:
            parts = urlsplit(urljoin(url, target))
            is_valid = parts.scheme in _PORTS and bool(parts.hostname) and "@" not in parts.netloc
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ReplicationError(f"{self._base}{name}: the server redirects to no web address")
        if urlsplit(url).scheme == "https" and parts.scheme != "https":
            raise ReplicationError(f"{self._base}{name}: the server redirects to http://")
        kept = [pair for pair in parse_qsl(parts.query) if not self._is_token(*pair)]
        return urlunsplit(parts._replace(query=urlencode(kept)))

    def _is_token(self, key: str, value: str) -> bool:
        return key == _PARAMETER or (self._token is not None and value == self._secret())

    def _with_token(self, url: str) -> str:
        """Add the token to an address of the configured server."""
        parts = urlsplit(url)
        if self._token is None or _origin(parts) != _origin(urlsplit(self._base)):
            return url
        pairs = [*parse_qsl(parts.query), (_PARAMETER, self._secret())]
        return urlunsplit(parts._replace(query=urlencode(pairs)))

    def _secret(self) -> str:
        return self._token.get_secret_value() if self._token else ""

    def _unavailable(self, name: str, reason: str) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"{self._base}{name} cannot be downloaded: {reason}: check the server and the network"
        )


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _is_this_host(name: str | None) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


def _kind(error: Exception) -> str:
    """Return a text for an error of urllib3, whose own text may contain the token."""
    if isinstance(error, LocationParseError):
        return "the address is invalid"
    if isinstance(error, NewConnectionError | NameResolutionError):
        return "it cannot be reached"
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "it does not reply in time"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).removesuffix(" Error")
    return words.lower()
