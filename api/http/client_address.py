"""Where a request comes from and how: the peer, or what trusted proxies say of it."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

UNKNOWN: Final = "0.0.0.0"  # noqa: S104 - the public service's word for it; nothing binds to it


def client_address(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """Return the client's address, IPv4 or IPv6, in its usual form.

    Each proxy appends the address that it saw to ``X-Forwarded-For``. What the client wrote there
    itself stands before, so only the last entries count, one for each trusted proxy. Where there
    are fewer, the request did not come through all of them, and the peer counts.

    Args:
        environ: the WSGI environment.
        trusted_proxies: how many proxies stand before this server.
    """
    peer = _parse(environ.get("REMOTE_ADDR") or "") or UNKNOWN
    if not trusted_proxies:
        return peer
    seen = (environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")
    if len(seen) < trusted_proxies:
        return peer
    return _parse(seen[-trusted_proxies]) or peer


def is_secure(environ: Mapping[str, Any], trusted_proxies: int) -> bool:
    """Tell whether the client's own connection is encrypted.

    A proxy either appends to ``X-Forwarded-Proto`` or writes it anew, so where there are fewer
    entries than trusted proxies, the first one is the nearest to the client.

    Args:
        environ: the WSGI environment.
        trusted_proxies: how many proxies stand before this server.
    """
    scheme = environ.get("wsgi.url_scheme") or ""
    if trusted_proxies:
        seen = [each.strip() for each in (environ.get("HTTP_X_FORWARDED_PROTO") or "").split(",")]
        if seen != [""]:
            scheme = seen[-min(trusted_proxies, len(seen))]
    return bool(scheme.lower() == "https")


@lru_cache(maxsize=4096)  # a client asks more than once
def _parse(text: str) -> str | None:
    """Return an address without port, brackets and zone; None where it is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        return None
