"""Kept connections to one server, and plain reasons why it cannot be reached."""

import queue
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from types import UnionType
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions

from cli.commands.client.server_address import proxy_for
from cli.errors import StackError
from cli.printable import printable

CONNECT_TIMEOUT: Final = 10.0  # seconds
READ_TIMEOUT: Final = 30.0  # seconds

REPLY_TIMEOUT: Final = 120.0
"""The time limit in seconds of a whole request with its reply. A server may send slowly."""

MAX_REPLY: Final = 64 * 1024 * 1024
"""The maximum size of a reply in bytes. The largest real ones have some MB."""

CONNECTIONS: Final = 8
"""The number of kept connections: of threads that send requests at the same time."""

REASONS: Final[Sequence[tuple[type[BaseException] | UnionType, str]]] = (
    (exceptions.NameResolutionError, "the name of its host is unknown"),
    (exceptions.ReadTimeoutError, f"no reply within {READ_TIMEOUT:.0f} s"),
    (ConnectionResetError | BrokenPipeError, "it closed the connection without a reply"),
    (IncompleteRead | exceptions.IncompleteRead, "its reply ends early"),
    (exceptions.DecodeError, "its reply cannot be decoded"),
    (HTTPException | ValueError, "its reply is not HTTP"),
)
"""Reasons by the classes of errors; the first one applies. Other errors have a text of their own.
"""

NO_TLS: Final = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"})
"""The reasons of OpenSSL for a reply that is not TLS."""

HEADERS: Final = {
    "Content-Encoding": "gzip",
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": "acoustid-cli",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of a server.

    Attributes:
        status: the HTTP status.
        body: the body.
        retry_after: the header ``Retry-After``.
        location: the header ``Location``.
    """

    status: int
    body: bytes
    retry_after: str | None
    location: str | None


class Connection:
    """Sends forms to a server. Connections are kept for the next request. It is thread-safe.

    Args:
        server: the address of the server without the path of an endpoint.

    Raises:
        StackError: the proxy that the environment names cannot be used.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._pool = _pool(server)

    def post(self, path: str, body: bytes) -> Reply:
        """Send a form that is compressed with gzip, and return the reply, whatever its status.

        A thread sends it, since no other limit covers the time of all parts of a request: each
        byte that arrives starts the time of `READ_TIMEOUT` again.

        Raises:
            StackError: the server does not answer in `REPLY_TIMEOUT`, or not with HTTP.
        """
        done: queue.SimpleQueue[Reply | BaseException] = queue.SimpleQueue()

        def run() -> None:
            try:
                done.put(self._post_again_if_closed(path, body))
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                done.put(error)

        threading.Thread(target=run, name="request", daemon=True).start()
        try:
            found = done.get(timeout=REPLY_TIMEOUT)
        except queue.Empty:
            raise StackError(
                f"{self._server} does not answer: no complete reply within {REPLY_TIMEOUT:.0f} s"
            ) from None
        if isinstance(found, BaseException):
            raise found
        return found

    def _post_again_if_closed(self, path: str, body: bytes) -> Reply:
        try:
            return self._post(path, body)
        except exceptions.ProtocolError as error:
            if not _is_closed(error):
                raise self._failure(error) from error
        except (exceptions.HTTPError, OSError, ValueError) as error:
            raise self._failure(error) from error
        # A server closes a kept connection after some time, perhaps at this moment.
        try:
            return self._post(path, body)
        except (exceptions.HTTPError, OSError, ValueError) as error:
            raise self._failure(error) from error

    def _post(self, path: str, body: bytes) -> Reply:
        reply = self._pool.request(
            "POST",
            self._server + path,
            body=body,
            headers=HEADERS,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            preload_content=False,
        )
        whole = False
        try:
            content = reply.read(MAX_REPLY + 1)
            whole = len(content) <= MAX_REPLY
        finally:
            if whole:
                reply.release_conn()
            else:
                reply.close()
        if not whole:
            raise StackError(
                f"the reply of {self._server} has more than {MAX_REPLY} bytes: it is not the "
                "AcoustID web service; check --server"
            )
        location = reply.headers.get("Location") if 300 <= reply.status < 400 else None
        retry_after = reply.headers.get("Retry-After")
        return Reply(reply.status, content, retry_after, printable(location) if location else None)

    def _failure(self, error: Exception) -> StackError:
        return StackError(f"{self._server} does not answer: {explain(error)}")


def explain(error: BaseException) -> str:
    """Return why a request has failed, in plain words."""
    chain = _chain(error)
    for each in chain:
        if isinstance(each, ssl.SSLError):
            return _tls_reason(each)
        if isinstance(each, exceptions.ProxyError):
            return f"the proxy of the environment cannot be used: {_plain(chain[-1])}"
        if type(each) is exceptions.ConnectTimeoutError:  # a refused connection has a subclass
            return f"no connection within {CONNECT_TIMEOUT:.0f} s"
        for kinds, reason in REASONS:
            if isinstance(each, kinds):
                return reason
    return _plain(chain[-1])


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not valid: {error.verify_message.rstrip('.')}. If a private "
            "authority has signed it, name the file of that authority's certificate in "
            "SSL_CERT_FILE"
        )
    if error.reason in NO_TLS:
        return "it does not use TLS on this port: give http:// instead of https://"
    return f"TLS fails: {error.reason or error}"


def _pool(server: str) -> urllib3.PoolManager:
    proxy = proxy_for(server)
    if proxy is None:
        return urllib3.PoolManager(maxsize=CONNECTIONS)
    try:
        parts = urlsplit(proxy)
        login = f"{parts.username}:{parts.password or ''}" if parts.username else None
        headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
        return urllib3.ProxyManager(proxy, maxsize=CONNECTIONS, proxy_headers=headers)
    except (exceptions.HTTPError, ValueError) as error:  # no address: it may have a password
        raise StackError(
            "the proxy in the environment variable HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be "
            "used: give an address such as http://proxy:3128, or unset the variable"
        ) from error


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the outermost first."""
    found: list[BaseException] = []
    while error not in found:
        found.append(error)
        wrapped = [each for each in error.args if isinstance(each, BaseException)]
        inner = error.__cause__ or error.__context__ or (wrapped[-1] if wrapped else None)
        if inner is None:
            break
        error = inner
    return found


def _is_closed(error: BaseException) -> bool:
    # RemoteDisconnected is a ConnectionResetError.
    closed = ConnectionResetError | BrokenPipeError
    return any(isinstance(each, closed) for each in _chain(error))


def _plain(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(" ".join(str(error).split())) or type(error).__name__
