"""Types of options with their checks.

The message of a failed check says what to change and does not contain the value: a URL in place of
a host name may contain a password.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_HOST: Final = re.compile(r"[\w.:%-]+")
"""Characters of a host name or an address. Another one is a mistake, such as a wrong separator."""


def _checked_host(value: str) -> str:
    if not value or any(sign in value for sign in ("://", "@", " ", "\t")):
        raise ValueError("must be a host name or an address: no URL, user, password or space")
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _split_list(value: object) -> object:
    """Return ``("a", "b")`` for ``"a, b"``; return other types unchanged."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)


def _refuse_empty(value: object) -> object:
    if value == "":
        raise ValueError("must be the path of a directory")
    return value


NATS_SCHEMES: Final = ("nats", "tls")


def _checked_nats_servers(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_nats_url(server) for server in value)


def _nats_url(server: str) -> str:
    """Return ``nats://host:port`` for an address with or without a scheme and a port."""
    scheme, mark, address = server.rpartition("://")
    if "@" in server:  # the message must not contain the password
        raise ValueError("put user, password and token into their own options, not into servers")
    try:
        host, port = split_server(address, default_port=4222)
    except ValueError:
        raise ValueError(
            "must be host, host:port or nats://host:port, several separated by commas"
        ) from None
    if mark and scheme not in NATS_SCHEMES:
        raise ValueError("must begin with nats:// or tls://, or with the host")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme or 'nats'}://{shown}:{port}"


def _checked_subject(value: str) -> str:
    """Check a subject without wildcards.

    https://docs.nats.io/nats-concepts/subjects
    """
    tokens = value.split(".")
    if not all(tokens) or not value.isprintable() or any(sign in value for sign in " *>"):
        raise ValueError("must be a subject of NATS without * and >, such as acoustid.submissions")
    return value


def _checked_servers(value: tuple[str, ...]) -> tuple[str, ...]:
    for server in value:
        try:
            split_server(server, default_port=1)
        except ValueError:  # its message may contain the value
            raise ValueError("must be host or host:port, several separated by commas") from None
    return value


def split_server(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of ``host``, ``host:port``, ``[address]`` or ``[address]:port``.

    Raises:
        ValueError: the text has another form.
    """
    parts = urlsplit(f"//{_checked_host(text)}")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or parts.netloc != text or parts.port == 0:
        raise ValueError("must be host or host:port")
    return host, parts.port or default_port


def _checked_dsn(value: SecretStr) -> SecretStr:
    parts = _http_url(value.get_secret_value())
    if not (parts and parts.username and parts.path.strip("/")):
        raise ValueError("must be a Sentry DSN: https://KEY@HOST/PROJECT")
    return value


def _checked_web_address(value: str) -> str:
    parts = _http_url(value)
    plain = value.isascii() and value.isprintable() and " " not in value
    if not (parts and plain and "@" not in parts.netloc):
        raise ValueError("must be an http:// or https:// address without user and password")
    return value


def _checked_replication_source(value: str) -> str:
    if "://" not in value:
        if not value.startswith("/"):
            raise ValueError("must be the absolute path of a directory, or an https:// address")
        return value
    address = _checked_web_address(value)
    if "?" in address or "#" in address:  # the message must not contain a token
        raise ValueError("put the token into replication_token, not into replication_source")
    return address


def _checked_basic_password(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text and text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII characters")
    return value


def _http_url(text: str) -> SplitResult | None:
    """Return the parts of an ``http`` or ``https`` URL with a valid host and port, else None."""
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:  # its message may contain a password
        return None
    valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and port_is_valid
    return parts if valid else None


def _made_of(pattern: str, meaning: str) -> AfterValidator:
    """Return a check of a whole text against a pattern, which the message has in plain words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {meaning}")
        return value

    return AfterValidator(check)


SYSTEM: Final = "system"
"""Value of ``sslrootcert`` for the certificates of the operating system."""

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
Directory = Annotated[Path, BeforeValidator(_refuse_empty)]
RootCertificate = Literal["system"] | Path
Host = Annotated[str, AfterValidator(_checked_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1)]
RateLimit = Annotated[float, Field(ge=0)]
Postings = Annotated[int, Field(ge=0, le=2**31 - 1)]
Days = Annotated[float, Field(ge=0, le=36_500)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Dsn = Annotated[SecretStr, AfterValidator(_checked_dsn)]
BasicPassword = Annotated[SecretStr, AfterValidator(_checked_basic_password)]
MetricPrefix = Annotated[
    str, _made_of(r"[A-Za-z0-9_.-]+", "one or more letters, digits, dots, _ and -")
]
WebAddress = Annotated[str, AfterValidator(_checked_web_address)]
ReplicationSource = Annotated[str, AfterValidator(_checked_replication_source)]
NatsServers = Annotated[
    tuple[str, ...], BeforeValidator(_split_list), AfterValidator(_checked_nats_servers)
]
NatsName = Annotated[
    str, _made_of(r"[A-Za-z0-9_-]{1,200}", "1 to 200 letters, digits, _ and -, without a dot")
]
Subject = Annotated[str, AfterValidator(_checked_subject)]
IndexName = Annotated[str, _made_of(r"[A-Za-z0-9_-]{1,255}", "1 to 255 letters, digits, _ and -")]
Replicas = Annotated[
    tuple[str, ...], BeforeValidator(_split_list), AfterValidator(_checked_servers)
]
