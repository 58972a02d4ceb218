"""The file ``stack.json``: the passwords of a stack and the last ports of its servers."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields, replace

from cli.errors import StackError
from cli.stack.data_directory import DataDir, write_private


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class StackRecord:
    """Ports and passwords of a stack, created at its first start.

    Attributes:
        token: a part of the name of its directory under ``/var/lib/acoustid``, if it has one.
        postgres_password: the password of PostgreSQL.
        valkey_password: the password of Valkey.
        cluster_secret: the secret of section ``cluster``.
        flower_password: the password of Flower.
        postgres_port: the last port of PostgreSQL; 0 before its first start.
        valkey_port: the last port of Valkey; 0 before its first start.
    """

    token: str = field(default_factory=_new_secret, repr=False)
    postgres_password: str = field(default_factory=_new_secret, repr=False)
    valkey_password: str = field(default_factory=_new_secret, repr=False)
    cluster_secret: str = field(default_factory=_new_secret, repr=False)
    flower_password: str = field(default_factory=_new_secret, repr=False)
    postgres_port: int = 0
    valkey_port: int = 0

    @classmethod
    def load(cls, data: DataDir) -> "StackRecord":
        """Read the record of a data directory; create it at the first start.

        Raises:
            StackError: the file is malformed.
        """
        try:
            found = json.loads(data.record.read_bytes())
            return cls(**{each.name: found[each.name] for each in fields(cls)})
        except FileNotFoundError:
            record = cls()
            record.save(data)
            return record
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(f"{data.record} is damaged: {error!r}") from error

    def with_ports(self, *, postgres: int, valkey: int) -> "StackRecord":
        """Return a copy with other ports."""
        return replace(self, postgres_port=postgres, valkey_port=valkey)

    def save(self, data: DataDir) -> None:
        """Write the file; only its owner can read it. Fields of a newer version stay in it."""
        try:
            present = json.loads(data.record.read_bytes())
        except (FileNotFoundError, ValueError):
            present = {}
        write_private(data.record, json.dumps({**present, **asdict(self)}))
