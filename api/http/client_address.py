"""Determines the client's address and whether its connection is encrypted, also behind proxies."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

UNKNOWN: Final = "0.0.0.0"  # noqa: S104 - as in the public service; no socket binds to it


def client_address(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """Return the client's IPv4 or IPv6 address in its canonical form.

    Each proxy appends the address of its peer to ``X-Forwarded-For``. Entries that the client sends
    come first, so the client's address is entry number `trusted_proxies` from the end. If there are
    fewer entries, the request has not passed all proxies, and the result is the peer's address.

    Args:
        environ: the WSGI environment.
        trusted_proxies: the number of proxies in front of this server.
    """
    peer = _parse(environ.get("REMOTE_ADDR") or "") or UNKNOWN
    if not trusted_proxies:
        return peer
    seen = (environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")
    if len(seen) < trusted_proxies:
        return peer
    return _parse(seen[-trusted_proxies]) or peer


def is_secure(environ: Mapping[str, Any], trusted_proxies: int) -> bool:
    """Return whether the client's connection, to the first proxy or to this server, is encrypted.

    A proxy either appends to ``X-Forwarded-Proto`` or replaces it. If there are fewer entries than
    trusted proxies, the first entry is that of the proxy nearest to the client.

    Args:
        environ: the WSGI environment.
        trusted_proxies: the number of proxies in front of this server.
    """
    scheme = environ.get("wsgi.url_scheme") or ""
    if trusted_proxies:
        seen = [each.strip() for each in (environ.get("HTTP_X_FORWARDED_PROTO") or "").split(",")]
        if seen != [""]:
            scheme = seen[-min(trusted_proxies, len(seen))]
    return bool(scheme.lower() == "https")


@lru_cache(maxsize=4096)  # most clients send many requests
def _parse(text: str) -> str | None:
    """Return an address without port, brackets and zone; None if the text is not an address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        return None
