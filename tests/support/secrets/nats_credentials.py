"""Signed credentials for tests: an operator, an account with JetStream, and its user.

https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt
"""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]

ALL: dict[str, Any] = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1
)
JETSTREAM: dict[str, Any] = dict.fromkeys(
    ("mem_storage", "disk_storage", "streams", "consumer"), -1
)


class NatsOperator:
    """An operator with one account.

    Args:
        folder: the folder of the server's configuration.
    """

    def __init__(self, folder: Path) -> None:
        self._account = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
        operator = _pair(nkeys.PREFIX_BYTE_OPERATOR)
        system = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
        limits = {"limits": {**ALL, "wildcards": True, **JETSTREAM}}
        of_operator = _signed(
            operator, operator, "operator", {"system_account": system.public_key.decode()}
        )
        account = _signed(operator, self._account, "account", limits)
        of_system = _signed(operator, system, "account", {"limits": {**ALL, "wildcards": True}})
        self.configuration = folder / "operator.conf"
        self.configuration.write_text(
            f"operator: {of_operator}\nsystem_account: {system.public_key.decode()}\n"
            "resolver: MEMORY\nresolver_preload: {\n"
            f"{self._account.public_key.decode()}: {account}\n"
            f"{system.public_key.decode()}: {of_system}\n}}\n"
        )

    def credentials(self, expires_in: float | None = None) -> str:
        """Return the text of a credentials file for a new user.

        Args:
            expires_in: seconds after which the server refuses them; None for never.
        """
        user = _pair(nkeys.PREFIX_BYTE_USER)
        claims = {} if expires_in is None else {"exp": int(time.time() + expires_in)}
        token = _signed(self._account, user, "user", ALL, **claims)
        return (
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )


def _pair(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def _signed(
    issuer: nkeys.KeyPair,
    subject: nkeys.KeyPair,
    kind: str,
    nats: dict[str, Any],
    **claims: Any,
) -> str:
    body = {
        "jti": os.urandom(8).hex(),
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "sub": subject.public_key.decode(),
        "name": kind,
        "nats": {**nats, "type": kind, "version": 2},
        **claims,
    }
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
    return f"{text}.{_encoded(issuer.sign(text.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
