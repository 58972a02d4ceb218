"""The TLS of connections to NATS. It reads its files at each handshake."""

import ssl
from collections.abc import Callable
from typing import Any, Self

import structlog
from nats import errors

from pipeline.settings.sections import NatsSettings

logger = structlog.get_logger("acoustid.nats_bridge.link.tls_context")


class CurrentFiles(ssl.SSLContext):
    """A context that reads the files of the options at each handshake.

    So replaced certificates are used at the next connection, without a restart. If a replaced file
    cannot be used, the files that were read last stay in use.

    Use `of` to make one.
    """

    _settings: NatsSettings
    _latest: ssl.SSLContext
    _has_begun: bool

    @classmethod
    def of(cls, settings: NatsSettings) -> Self:
        """Return the context for the options.

        Raises:
            OSError: a file cannot be read, or contains no certificate or key.
        """
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._settings = settings
        context._latest = _read(settings)
        context._has_begun = False
        return context

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:  # noqa: ANN401 - those of `ssl`
        """Begin a handshake with the current files."""
        try:
            self._latest = _read(self._settings)
        except OSError:
            logger.warning(
                "a file of [nats] ssl_ca_certs, ssl_certfile or ssl_keyfile cannot be used; its "
                "earlier content stays in use"
            )
        self._has_begun = True
        return self._latest.wrap_bio(*arguments, **options)

    def forget_handshake(self) -> None:
        """Begin an attempt to connect, which has no handshake yet."""
        self._has_begun = False

    def guarded(self, secret: str) -> Callable[[], str]:
        """Return a function that returns a secret only after a handshake.

        nats-py calls it when it logs in. A server decides whether a connection uses TLS; without
        this check, a forged server could ask for the secret without TLS.
        """

        def checked() -> str:
            if not self._has_begun:
                raise errors.SecureConnWantedError
            return secret

        return checked


def _read(settings: NatsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None)
    if settings.ssl_ca_certs is not None:
        context.load_verify_locations(settings.ssl_ca_certs)
    if settings.ssl_certfile is not None and settings.ssl_keyfile is not None:
        # Without a password function, OpenSSL would read a passphrase from the terminal.
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, lambda: "")
    verifies = settings.ssl_cert_reqs == "required"
    context.check_hostname = verifies and settings.ssl_check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context
