"""The file ``stack.json``: a stack's passwords, its servers' last ports, its data directory."""

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.files.json_file import DamagedFileError, read_json_object
from cli.stack.files.private_file import write_private

DATABASES = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
"""The sections of the databases in ``acoustid.conf``. The record has the password of each."""


MAX_PORT: Final = 65535

_TEXTS: Final = (
    "token",
    "postgres_password",
    "valkey_password",
    "cluster_secret",
    "flower_password",
)
"""The fields without which a record is damaged."""


class DamagedRecordError(StackError):
    """The file has no usable record."""


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

        An impossible port or directory counts as none.

        Raises:
            DamagedRecordError: the file is malformed. The next start makes it again.
            StackError: this user cannot read it.
        """
        try:
            found = read_json_object(data.record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StackError(f"{data.record} cannot be read: {error.strerror}") from error
        except DamagedFileError as error:
            raise DamagedRecordError(_damage(data, str(error))) from error
        texts = {name: text for name in _TEXTS if isinstance(text := found.get(name), str) and text}
        missing = [name for name in _TEXTS if name not in texts]
        if missing:
            raise DamagedRecordError(_damage(data, f"it has no usable {', '.join(missing)}"))
        return cls(
            **texts,
            postgres_port=_port(found.get("postgres_port")),
            valkey_port=_port(found.get("valkey_port")),
            directory=DirectoryIdentity.parse(found.get("directory")),
        )

    def with_ports(self, *, postgres: int, valkey: int) -> "StackRecord":
        """Return a copy with other ports."""
        return replace(self, postgres_port=postgres, valkey_port=valkey)

    def with_directory(self, directory: DirectoryIdentity) -> "StackRecord":
        """Return a copy for another data directory."""
        return replace(self, directory=directory)

    def save(self, data: DataDir) -> None:
        """Write the file; only its owner can read it. Fields of a newer version stay in it."""
        try:
            present = read_json_object(data.record)
        except (FileNotFoundError, DamagedFileError):
            present = {}
        values = asdict(self)
        match present.get("directory"), values["directory"]:
            case {**before}, {**now}:
                values["directory"] = {**before, **now}
        write_private(data.record, json.dumps({**present, **values}))


def _port(found: object) -> int:
    """Return the port in a value of the file; 0 if it is none."""
    match found:
        case int(port) if 0 < port <= MAX_PORT:
            return port
    return 0


def _damage(data: DataDir, problem: str) -> str:
    return f"{data.record} is damaged: {problem}. The next `acoustid up` makes it again"
