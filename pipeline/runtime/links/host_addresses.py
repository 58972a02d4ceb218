"""Connects to a host of several addresses within one time limit.

libpq tries all addresses of a host in turn, each for its whole ``connect_timeout``. The resolver of
the operating system has limits of its own: neither libpq nor this module can end it.
"""

import math
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Connection = TypeVar("Connection")


def connect_in_time(
    connect: Callable[..., Connection],
    parameters: Mapping[str, Any],
    seconds: float,
    failure: type[Exception],
) -> Connection:
    """Return a connection to the first address of a host that accepts one.

    The addresses share the time: an address that refuses at once leaves its part to the others.

    Args:
        connect: psycopg2's function; it gets the parameters, ``hostaddr`` and ``connect_timeout``.
        parameters: the parameters of libpq.
        seconds: maximum time for all addresses; libpq takes whole seconds, at least 1 for each.
        failure: the class of the errors of `connect`.

    Raises:
        Exception: an error of class `failure`, of the address that was tried last.
    """
    until = time.monotonic() + seconds
    addresses = _addresses(parameters)
    for place, address in enumerate(addresses[:-1]):
        left = max(1, int(until - time.monotonic()))
        share = min(left, math.ceil(left / (len(addresses) - place)))
        try:
            return connect(**{**parameters, **address, "connect_timeout": share})
        except failure:
            if until - time.monotonic() < 1:
                raise
    left = max(1, int(until - time.monotonic()))
    return connect(**{**parameters, **addresses[-1], "connect_timeout": left})


def _addresses(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the parameter ``hostaddr`` for each address; one empty entry leaves it to libpq."""
    host = str(parameters.get("host", ""))
    if not host or host.startswith(("/", "@")) or "," in host or "hostaddr" in parameters:
        return [{}]
    try:
        found = socket.getaddrinfo(host, parameters.get("port"), type=socket.SOCK_STREAM)
    except OSError:  # libpq has a message for it
        return [{}]
    return [{"hostaddr": each} for each in dict.fromkeys(str(each[4][0]) for each in found)]
