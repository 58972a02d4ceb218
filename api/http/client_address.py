"""The client's address, and whether its connection is encrypted, with and without proxies."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

UNKNOWN: Final = "0.0.0.0"  # noqa: S104 - as in the public service; nothing binds to it


def client_address(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """Return the client's IPv4 or IPv6 address in its canonical form.

    Each proxy appends the address of its peer to ``X-Forwarded-For``. A client can send entries of
    its own, which come first. So the client's address is the entry that is `trusted_proxies` from
    the end. With fewer entries the request did not come through all proxies, and the result is the
    address of the peer.

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
    """Tell whether the client's connection, to the first proxy or to this server, is encrypted.

    A proxy either appends to ``X-Forwarded-Proto`` or replaces it. With fewer entries than trusted
    proxies, the first entry is of the proxy nearest to the client.

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


@lru_cache(maxsize=4096)  # clients send many requests
def _parse(text: str) -> str | None:
    """Return an address without port, brackets and zone; None if it is not an address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        return None
