"""What a stack keeps from run to run: its passwords, and the ports of its servers."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields, replace

from cli.errors import StackError
from cli.stack.data_directory import DataDir, write_private


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class StackRecord:
    """Made at the first start of a stack.

    Attributes:
        token: names the stack's directory under ``/var/lib/acoustid``, should it need one.
        postgres_port: where PostgreSQL listened last, 0 for nowhere yet.
        valkey_port: the same for Valkey.
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
        """Return the record of a data directory, a new one at the first start.

        Raises:
            StackError: the file is damaged.
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
        """Return the record with other ports."""
        return replace(self, postgres_port=postgres, valkey_port=valkey)

    def save(self, data: DataDir) -> None:
        """Write it, readable by its owner alone."""
        write_private(data.record, json.dumps(asdict(self)))
