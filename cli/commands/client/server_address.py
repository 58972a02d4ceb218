"""The address of a server, as the option ``--server`` gives it."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from cli.errors import StackError

_API_PATH: Final = re.compile(r"(/v2(/lookup|/submit)?)?/*\Z")
"""The end of an address that names the web service or an endpoint, not the server."""

_UNUSABLE: Final = re.compile(r"[\s\x00-\x1f\x7f\\]")


def server_address(text: str) -> str:
    """Return the address without the path of the web service and without a slash at the end.

    Another path stays: a reverse proxy may serve the web service below it.

    Raises:
        StackError: the text is not the address of a server.
    """
    text = text.strip()
    if "@" in text:  # the text is not printed, since it may contain a password
        raise StackError("the server's address must not contain a user name or a password")
    if not text.lower().startswith(("http://", "https://")):
        raise StackError(f"the server's address {text!r} needs http:// or https://")
    try:
        text.encode()
        parse_url(text)
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if parts.netloc.startswith("["):
            ipaddress.IPv6Address((host or "").partition("%")[0])
        (host or "").encode("idna")
    except (ValueError, HTTPError) as error:
        raise _unusable(text) from error
    if not host or port == 0 or parts.query or parts.fragment or _UNUSABLE.search(text):
        raise _unusable(text)
    return f"{parts.scheme.lower()}://{parts.netloc.rstrip(':')}{_API_PATH.sub('', parts.path)}"


def proxy_for(address: str) -> str | None:
    """Return the HTTP proxy that the environment names for a server; None for a direct connection.

    A server on this machine is never reached through a proxy.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or its IP address."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _unusable(text: str) -> StackError:
    return StackError(
        f"the server's address {text!r} is not valid: give one such as http://127.0.0.1:5000"
    )
