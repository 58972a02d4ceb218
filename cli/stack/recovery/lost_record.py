"""Makes a lost or damaged ``stack.json`` again.

The effective ``acoustid.conf`` contains the same passwords. A password that it does not contain is
replaced. PostgreSQL gets a new password when it starts, see
`cli.stack.servers.postgres_password_mark`.
"""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.set_aside import set_aside
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER
from cli.stack.servers.postgres_directory import PATH_FILE
from cli.stack.stack_record import DATABASES, DamagedRecordError, StackRecord
from pipeline.settings.ini_file import ini_parser, read_ini

_SECRETS: Final = ("postgres_password", "valkey_password", "cluster_secret", "flower_password")


def load_record(data: DataDir, report: Callable[[str], None]) -> StackRecord:
    """Return the record of a data directory; make it again if it is lost or damaged.

    The caller saves a record that was made again.

    Args:
        data: the data directory, locked by this process.
        report: called with a line of text about the repair.

    Raises:
        StackError: the damaged file cannot be renamed, or this user cannot read it.
    """
    try:
        record = StackRecord.read(data)
    except DamagedRecordError:
        found = _secrets_of(_read(data))
        problem = f"damaged and is now {set_aside(data.record).name}"
    else:
        if record is not None or not _has_postgres(data):
            return record or StackRecord.load(data)
        found = _secrets_of(_read(data))
        problem = "lost"
    replaced = [name.replace("_", " ") for name in _SECRETS if name not in found]
    source = " from acoustid.conf" if found else ""
    changes = f"; new: {', '.join(replaced)}" if replaced else ""
    report(f"{data.record} was {problem}; it is made again{source}{changes}")
    return _with_secrets(found)


def _with_secrets(found: Mapping[str, str]) -> StackRecord:
    """Return a new record with these secrets instead of its own."""
    new = StackRecord()
    return replace(
        new,
        postgres_password=found.get("postgres_password", new.postgres_password),
        valkey_password=found.get("valkey_password", new.valkey_password),
        cluster_secret=found.get("cluster_secret", new.cluster_secret),
        flower_password=found.get("flower_password", new.flower_password),
    )


def _has_postgres(data: DataDir) -> bool:
    return (data.root / "postgres").exists() or (data.root / PATH_FILE).exists()


def _read(data: DataDir) -> configparser.ConfigParser:
    """Return the effective configuration; an empty one if it is missing or damaged.

    Raises:
        StackError: this user cannot read it.
    """
    try:
        return read_ini(data.config) if data.config.is_file() else ini_parser()
    except (ValueError, configparser.Error):
        return ini_parser()
    except OSError as error:
        raise StackError(f"{data.config} cannot be read: {error.strerror}") from error


def _secrets_of(parser: configparser.ConfigParser) -> dict[str, str]:
    """Return the secrets that are in the effective configuration, by their name in the record."""
    found = {
        "cluster_secret": parser.get("cluster", "secret", fallback=""),
        "flower_password": parser.get("flower", "password", fallback=""),
    }
    for section in DATABASES:
        is_embedded = parser.get(section, "host", fallback="") == LOOPBACK
        if is_embedded and parser.get(section, "user", fallback="") == USER:
            found["postgres_password"] = parser.get(section, "password", fallback="")
    if parser.get("redis", "host", fallback="") == LOOPBACK:
        found["valkey_password"] = parser.get("redis", "password", fallback="")
    return {name: text for name, text in found.items() if text}
