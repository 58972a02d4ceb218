"""Explains errors of NATS in one line without secrets."""

import os
import socket
import ssl
from typing import Final

from nats import errors
from nats.js.errors import APIError

LONGEST: Final = 300
"""Maximum number of characters of a text that a server sent."""

REFUSED: Final = "the server refuses the log-in: check [nats] user, password, token or credentials"

TOO_LARGE_FOR_STREAM: Final = 10054
"""The code of JetStream for a message above ``max_msg_size`` of the stream.

https://github.com/nats-io/nats-server/blob/main/server/errors.json
"""

_CLOSED: Final = "the server closed the connection"

_CERTIFICATE: Final = (
    "check [nats] ssl_certfile and ssl_keyfile if the server requires a certificate of its clients"
)

_TEXTS: Final[dict[type[BaseException], str]] = {
    errors.SecureConnWantedError: (
        "the server offers no TLS, which [nats] ssl requires: set up TLS at the server, or check "
        "[nats] servers"
    ),
    errors.UnexpectedEOF: _CLOSED,
    ConnectionResetError: _CLOSED,
    ConnectionAbortedError: _CLOSED,
    BrokenPipeError: _CLOSED,
    errors.StaleConnectionError: "the server does not answer",
    errors.AuthorizationError: REFUSED,
    errors.ConnectionClosedError: "the connection is closed",
    errors.NoRespondersError: "nothing answers at the server: JetStream may be off",
    errors.SlowConsumerError: "the client dropped messages, which will be delivered again",
    errors.MaxPayloadError: "the message is larger than max_payload of the server",
}


class LinkError(Exception):
    """No server of NATS is usable. The text has the reason, without secrets."""


def explain_link(error: BaseException, *, begins_tls: bool = False) -> str:
    """Return why NATS cannot be used, and which option to check.

    Args:
        error: the error.
        begins_tls: whether it ended an attempt to connect with TLS. A server that misses the
            certificate of a client may end the connection without another error.
    """
    text = _explain(error)
    return f"{text}: {_CERTIFICATE}" if begins_tls and text == _CLOSED else text


def _explain(error: BaseException) -> str:
    for kind in type(error).__mro__:
        if kind in _TEXTS:
            return _TEXTS[kind]
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return _of_socket(error)
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, errors.Error):
        told = error.description if isinstance(error, APIError) else None
        return _of_server(told or str(error))
    if type(error).__module__.partition(".")[0] in ("nkeys", "nacl", "binascii"):
        return "the seed in [nats] credentials is not valid: check credentials"
    return f"unexpected error {type(error).__name__}"


def _of_server(text: str) -> str:
    """Explain the text of an error that the server sent."""
    text = " ".join(text.removeprefix("nats: ").split())[:LONGEST].strip("'")
    lower = text.lower()
    if "authorization violation" in lower:
        return REFUSED
    if "authentication expired" in lower or "account authentication" in lower:
        return f"the server refuses the log-in ({text}): check [nats] credentials"
    if "empty response" in lower or "json parse" in lower:
        return "this is no NATS server: check [nats] servers"
    if "permissions violation" in lower:
        return f"the server refuses an operation: {text}"
    return text


def _of_socket(error: OSError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of the server is refused ({error.verify_message}): it must "
                "contain the host in [nats] servers, and [nats] ssl_ca_certs the certificate of "
                "the authority that signed it"
            )
        case ssl.SSLError():
            reason = (getattr(error, "reason", None) or "").replace("_", " ").lower()
            return f"TLS failed ({reason or 'unknown reason'}): {_CERTIFICATE}"
        case socket.gaierror():
            return f"the host in [nats] servers is unknown ({error.strerror})"
    if error.errno is not None:
        return f"the server is unreachable ({os.strerror(error.errno)})"
    return "the server is unreachable (no address of its host accepts connections)"
