"""Determines the client's address and whether its connection is encrypted, also behind proxies.

Each proxy adds one entry to the end of ``X-Forwarded-For``: the address of its peer. Entries before
those of the trusted proxies come from the client, which can write anything there. So entries are
counted from the end, and no other entry is read.
"""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

UNKNOWN: Final = "0.0.0.0"  # noqa: S104 - as in the public service; no socket binds to it

MAX_LENGTH: Final = 100
"""Maximum number of characters of an address with its zone, port and brackets."""

_BLANKS: Final = " \t"  # Python's own also strips bytes that are not ASCII

_IPV6_AND_PORT: Final = re.compile(r"\[([^\[\]]*:[^\[\]]*)\](?::[0-9]{1,5})?")
_IPV4_AND_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}")


def client_address(environ: Mapping[str, Any], trusted_proxies: int) -> str | None:
    """Return the client's IPv4 or IPv6 address in its canonical form.

    The client's address is entry number `trusted_proxies` from the end of ``X-Forwarded-For``. If
    there are fewer entries, the request has not passed all proxies, and a client could have
    written all of them. The result is then the peer's address, which no client can choose.

    Args:
        environ: the WSGI environment.
        trusted_proxies: the number of proxies in front of this server.

    Returns:
        The address; None if the entry is not an address. The peer's address is not used instead,
        because all clients behind the proxy would share its limits.
    """
    header = (environ.get("HTTP_X_FORWARDED_FOR") or "").strip(_BLANKS)
    if trusted_proxies and header:
        seen = header.rsplit(",", trusted_proxies)
        if len(seen) >= trusted_proxies:
            return _address(seen[-trusted_proxies])
    return _address(environ.get("REMOTE_ADDR") or "") or UNKNOWN


def is_secure(environ: Mapping[str, Any], trusted_proxies: int) -> bool:
    """Return whether the client's connection, to the first proxy or to this server, is encrypted.

    A proxy either appends to ``X-Forwarded-Proto`` or replaces it. If there are fewer entries than
    trusted proxies, the first entry is that of the proxy nearest to the client. Each entry except
    ``https`` means a connection that is not encrypted.

    Args:
        environ: the WSGI environment.
        trusted_proxies: the number of proxies in front of this server.
    """
    scheme = environ.get("wsgi.url_scheme") or ""
    header = (environ.get("HTTP_X_FORWARDED_PROTO") or "").strip(_BLANKS)
    if trusted_proxies and header:
        seen = header.rsplit(",", trusted_proxies)
        scheme = seen[-min(trusted_proxies, len(seen))].strip(_BLANKS)
    return bool(scheme.lower() == "https")


def _address(text: str) -> str | None:
    """Return an address without port, brackets and zone; None if the text is not an address."""
    bare = text.strip(_BLANKS)
    return _parse(bare) if len(bare) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)  # most clients send many requests
def _parse(text: str) -> str | None:
    with_port = _IPV6_AND_PORT.fullmatch(text) or _IPV4_AND_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address(with_port[1] if with_port else text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # If a socket accepts both versions, an IPv4 client has an address such as ::ffff:192.0.2.1.
    return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
