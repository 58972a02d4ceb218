"""The arguments of nats-py for TLS and the log-in."""

from typing import Any

from nats.aio.client import RawCredentials
from pydantic import SecretStr

from nats_bridge.link.tls_context import CurrentFiles
from pipeline.settings.sections import NatsSettings


def login_options(settings: NatsSettings, tls: CurrentFiles | None) -> dict[str, Any]:
    """Return the arguments of `Client.connect` for TLS and the log-in.

    Args:
        settings: the settings.
        tls: the context if all connections use TLS; secrets are sent only after a handshake then.
    """
    secrets = {"password": _text(settings.password), "token": _text(settings.token)}
    options: dict[str, Any] = {name: text for name, text in secrets.items() if text is not None}
    if settings.user is not None:
        options["user"] = settings.user.get_secret_value()
    if settings.credentials is not None:
        # nats-py searches for whole lines that end with one character.
        lines = settings.credentials.get_secret_value().splitlines()
        options["user_credentials"] = RawCredentials("".join(f"{line}\n" for line in lines))
    if tls is not None:
        # A token is sent with each kind of log-in but passwords; an empty one has no effect.
        option = "password" if "password" in options else "token"
        options[option] = tls.guarded(options.get(option, ""))
        options["tls"] = tls
    return options


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
