"""The file ``stack.json``: a stack's passwords, its servers' last ports, its data directory."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields, replace

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.files.private_file import write_private

DATABASES = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
"""The sections of the databases in ``acoustid.conf``. The record has the password of each."""


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class StackRecord:
    """Ports and passwords of a stack, created at its first start.

    Attributes:
        token: identifies the stack. A copy of its data directory has the same token until it
            becomes a stack of its own. It is also a part of the name of its directory under
            ``/var/lib/acoustid``, if it has one.
        postgres_password: the password of PostgreSQL.
        valkey_password: the password of Valkey.
        cluster_secret: the secret of section ``cluster``.
        flower_password: the password of Flower.
        postgres_port: the last port of PostgreSQL; 0 before its first start.
        valkey_port: the last port of Valkey; 0 before its first start.
        directory: the data directory at the last start; None before the first one, and in a record
            of an earlier version.
    """

    token: str = field(default_factory=_new_secret, repr=False)
    postgres_password: str = field(default_factory=_new_secret, repr=False)
    valkey_password: str = field(default_factory=_new_secret, repr=False)
    cluster_secret: str = field(default_factory=_new_secret, repr=False)
    flower_password: str = field(default_factory=_new_secret, repr=False)
    postgres_port: int = 0
    valkey_port: int = 0
    directory: DirectoryIdentity | None = None

    @classmethod
    def load(cls, data: DataDir) -> "StackRecord":
        """Read the record of a data directory; create it at the first start.

        Raises:
            StackError: the file is malformed.
        """
        record = cls.read(data)
        if record is None:
            record = cls()
            record.save(data)
        return record

    @classmethod
    def read(cls, data: DataDir) -> "StackRecord | None":
        """Read the record of a data directory; return None if there is none.

        Raises:
            StackError: the file is malformed, or this user cannot read it.
        """
        try:
            found = json.loads(data.record.read_bytes())
            directory = found.get("directory")
            values = {each.name: found[each.name] for each in fields(cls) if each.name in _REQUIRED}
            return cls(**values, directory=DirectoryIdentity(**directory) if directory else None)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StackError(f"{data.record} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StackError(
                f"{data.record} is damaged: {error!r}. The next `acoustid up` makes it again"
            ) from error

    def with_ports(self, *, postgres: int, valkey: int) -> "StackRecord":
        """Return a copy with other ports."""
        return replace(self, postgres_port=postgres, valkey_port=valkey)

    def with_directory(self, directory: DirectoryIdentity) -> "StackRecord":
        """Return a copy for another data directory."""
        return replace(self, directory=directory)

    def save(self, data: DataDir) -> None:
        """Write the file; only its owner can read it. Fields of a newer version stay in it."""
        try:
            present = json.loads(data.record.read_bytes())
        except (FileNotFoundError, ValueError):
            present = {}
        write_private(data.record, json.dumps({**present, **asdict(self)}))


_REQUIRED = frozenset(each.name for each in fields(StackRecord)) - {"directory"}
