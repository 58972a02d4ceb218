"""Checks the options of TLS: which belong together, and whether their files can be used.

The libraries read the files at each new connection, so replaced files are used without a restart.
Without these checks, a mistake would be an error of the first query or request.
"""

import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.settings.option_names import READ_ONLY
from pipeline.settings.option_types import SYSTEM
from pipeline.settings.sections import DatabaseSettings, NatsSettings, RedisSettings, Settings
from pipeline.settings.system_certificates import system_certificates

ALWAYS_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")
"""The values of ``sslmode`` with which libpq never uses a connection without TLS."""

VERIFYING: Final = ("verify-ca", "verify-full")


class FileProblem(Exception):  # noqa: N818 - becomes a line of `ConfigError`
    """A file cannot be used. The text has the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one section.

    Attributes:
        section: the name of the section.
        settings: all settings, with the origins of their values.
    """

    section: str
    settings: Settings

    def origin(self, option: str) -> str:
        """Return the file or variable that sets an option, or its name if nothing sets it."""
        found = self.settings.sources.get(f"{self.section}.{option}")
        return found or f"[{self.section}] {option}"

    def problem(self, option: str, text: str) -> str:
        """Return a line for `ConfigError`."""
        return f"{self.origin(option)}: {text}"


def tls_problems(settings: Settings) -> Iterator[str]:
    """Yield a line for each mistake in the options of TLS, with the origin of the option."""
    for section in type(settings).model_fields:
        value = getattr(settings, section)
        main = section.removesuffix(READ_ONLY)
        if section != main and value == getattr(settings, main):
            continue
        options = Options(section, settings)
        if isinstance(value, DatabaseSettings):
            yield from _of_database(value, options)
        elif isinstance(value, RedisSettings):
            yield from _of_server(value, options, uses_tls=value.ssl)
        elif isinstance(value, NatsSettings):
            yield from _of_server(value, options, uses_tls=value.uses_tls)


def _of_database(database: DatabaseSettings, options: Options) -> Iterator[str]:
    root = database.sslrootcert
    files = {"sslrootcert": root, "sslcert": database.sslcert, "sslkey": database.sslkey}
    if database.sslmode not in ALWAYS_ENCRYPTED:
        for option in (name for name, path in files.items() if path is not None):
            yield options.problem(
                option,
                f"set sslmode in [{options.section}] to {', '.join(ALWAYS_ENCRYPTED)} too: other "
                "values permit connections without TLS",
            )
    elif database.sslmode in VERIFYING and root is None:
        yield options.problem(
            "sslmode",
            f"set sslrootcert in [{options.section}] too: the file of the trusted certificates, or "
            f"{SYSTEM} with verify-full",
        )
    elif root == SYSTEM and database.sslmode != "verify-full":
        yield options.problem("sslrootcert", f"{SYSTEM} needs sslmode = verify-full")
    elif root == SYSTEM and system_certificates() is None:
        yield options.problem("sslrootcert", "found no certificates of the system: give their file")
    if isinstance(root, Path):
        yield from _explained(options, "sslrootcert", lambda: _check_authorities(root))
    yield from _of_client(options, ("sslcert", database.sslcert), ("sslkey", database.sslkey))


def _of_server(
    server: RedisSettings | NatsSettings, options: Options, *, uses_tls: bool
) -> Iterator[str]:
    authorities = server.ssl_ca_certs
    certificate = ("ssl_certfile", server.ssl_certfile)
    key = ("ssl_keyfile", server.ssl_keyfile)
    if not uses_tls:
        for option, path in (("ssl_ca_certs", authorities), certificate, key):
            if path is not None:
                yield options.problem(option, f"set ssl = true in [{options.section}] too")
    if authorities is not None:
        yield from _explained(options, "ssl_ca_certs", lambda: _check_authorities(authorities))
    yield from _of_client(options, certificate, key)


def _of_client(
    options: Options, certificate: tuple[str, Path | None], key: tuple[str, Path | None]
) -> Iterator[str]:
    """Yield the mistakes in the client's certificate and its key, each with its option's name."""
    (certificate_option, certificate_path), (key_option, key_path) = certificate, key
    if certificate_path is None and key_path is None:
        return
    if certificate_path is None or key_path is None:
        given, other = (
            (key_option, certificate_option) if key_path else (certificate_option, key_option)
        )
        yield options.problem(given, f"set {other} in [{options.section}] too")
        return
    problems = [
        *_explained(options, certificate_option, lambda: _check_readable(certificate_path)),
        *_explained(options, key_option, lambda: _check_key(key_path)),
    ]
    if not problems:
        problems += _explained(options, key_option, lambda: _check_pair(certificate_path, key_path))
    yield from problems


def _explained(options: Options, option: str, check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except FileProblem as problem:
        yield options.problem(option, str(problem))


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise FileProblem(f"{path} cannot be read: {error.strerror}") from error


def _check_authorities(path: Path) -> None:
    _check_readable(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise FileProblem(f"{path} contains no certificate in PEM format") from error


def _check_key(path: Path) -> None:
    """Check that other users cannot read the key, by the rule of libpq.

    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CLIENTCERT
    """
    _check_readable(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileProblem(f"{path} is not a file")
    forbidden = 0o027 if status.st_uid == 0 else 0o077
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        raise FileProblem(
            f"other users can use {path} (mode {mode:04o}): set mode 0600, or 0640 if root owns it"
        )


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        # Without a password function, OpenSSL would read a passphrase from the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise FileProblem(
            f"{key} is not the key of {certificate}: both must be in PEM format, the key without a "
            "passphrase"
        ) from error
