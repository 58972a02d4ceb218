"""The effective configuration of a stack: the user's settings and those of embedded servers.

The user's file and environment take precedence. The effective file contains both, so that a command
in a shell without the environment of `acoustid up` has the same settings. A secret in a file stays
there: the effective file contains the path. If the user sets a host for a database or for
Redis, the stack uses that server. Otherwise it uses an embedded server and adds its address and
password.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.configuration_mark import mark_of
from cli.stack.files.private_file import write_private
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER
from cli.stack.stack_record import DATABASES, StackRecord
from pipeline.settings.ini_file import ini_parser, read_ini
from pipeline.settings.load import ConfigError, configuration_file, load_settings
from pipeline.settings.option_names import FILE, Option, resolve_option, resolve_variable, sections
from pipeline.settings.paths import WORKING_DIRECTORY, absolute_text, full_path
from pipeline.settings.sections import DATABASE_TLS, REDIS_TLS, Settings
from pipeline.settings.sketch_checks import EMBEDDED_RATE

REDIS = "redis"

LOCAL_IP_LIMIT = "10"
"""Requests per second of an address: an application's limit, since all clients share it."""

_ADDRESS = ("port", "user", "username", "password", *DATABASE_TLS, *REDIS_TLS)
"""Options that need a host in the same section. Embedded servers have no TLS."""

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True)
class UserConfig:
    """The user's configuration: the environment and a file, if there is one.

    Attributes:
        path: the absolute path of the file; None without a file.
        sections: the texts of its options.
        sources: the source of each option that is set; see `Settings.sources`.
        environ: the environment.
        settings: the settings without those of embedded servers.
    """

    path: Path | None
    sections: Sections
    sources: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    settings: Settings

    @classmethod
    def read(
        cls, environ: Mapping[str, str] = os.environ, *, effective: Path | None = None
    ) -> "UserConfig":
        """Read and check the environment and the file.

        The file is the one that ``ACOUSTID_CONFIG`` names, else ``acoustid.conf`` in the working
        directory, else none.

        Args:
            environ: the environment.
            effective: the file that `write_effective` writes for this stack. It is not read: the
                servers in it are those of the stack.

        Raises:
            StackError: the configuration is invalid. The text lists every problem.
        """
        path = configuration_file(environ)
        if path and effective and path.resolve() == effective:
            path = None
        settings = read_settings(path or Path(os.devnull), environ, embedded=True)
        config = cls(
            full_path(path) if path else None,
            read_sections(path),
            settings.sources,
            environ,
            settings,
        )
        config.check_addresses()
        return config

    @property
    def embedded_databases(self) -> tuple[str, ...]:
        """The sections of the databases on the embedded PostgreSQL."""
        return tuple(name for name in DATABASES if not self.sets(name, "host"))

    @property
    def embeds_redis(self) -> bool:
        """Whether the stack uses the embedded Valkey."""
        return not self.sets(REDIS, "host")

    @property
    def unwritable(self) -> tuple[str, ...]:
        """The variables with an option whose value an INI file cannot contain."""
        return tuple(
            name
            for name, text in self.environ.items()
            if resolve_variable(name) and not _fits_a_line(text)
        )

    def sets(self, section: str, option: str) -> bool:
        """Return whether the user sets an option."""
        return f"{section}.{option}" in self.sources

    def check_addresses(self) -> None:
        """Check that no port, user, password or option of TLS is set without a host.

        Raises:
            StackError: one of them is set without a host.
        """
        embedded = [*self.embedded_databases, *([REDIS] if self.embeds_redis else [])]
        for section in embedded:
            for option in _ADDRESS:
                origin = self.sources.get(f"{section}.{option}")
                if origin:
                    raise StackError(
                        f"{origin} is set, but no host in [{section}]: set the host too, or "
                        "omit both for the embedded server"
                    )


def read_settings(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    embedded: bool = False,
) -> Settings:
    """Load settings like `load_settings`.

    Raises:
        StackError: the settings are invalid.
    """
    try:
        return load_settings(path, environ, embedded=embedded)
    except ConfigError as error:
        raise StackError(str(error)) from error


def write_effective(data: DataDir, user: UserConfig, record: StackRecord) -> Settings:
    """Write the effective ``acoustid.conf`` into the data directory; return its settings."""
    sections = {name: dict(options) for name, options in user.sections.items()}
    add_environment(sections, user.environ)
    embedded = embedded_sections(
        data, record, databases=user.embedded_databases, redis=user.embeds_redis
    )
    for section, options in embedded.items():
        for option, value in options.items():
            if not user.sets(section, option):
                sections.setdefault(section, {})[option] = value
    write_private(data.config, _format(sections, mark_of(record.token)))
    return read_settings(data.config, user.environ)


def add_environment(texts: Sections, environ: Mapping[str, str]) -> None:
    """Add the options of the environment to those of a file, which they replace."""
    for variable, text in environ.items():
        found = resolve_variable(variable)
        if found is None or not _fits_a_line(text):
            continue
        option, is_file = found
        options = texts.setdefault(option.section, {})
        for name in [name for name in options if _names(option, name)]:
            del options[name]
        name = option.name + FILE if is_file else option.name
        options[name] = absolute_text(option, text, WORKING_DIRECTORY, is_file=is_file)


def with_absolute_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for processes in another working directory: its paths are absolute."""
    changed = dict(environ)
    for variable, text in environ.items():
        if found := resolve_variable(variable):
            option, is_file = found
            changed[variable] = absolute_text(option, text, WORKING_DIRECTORY, is_file=is_file)
    return changed


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for processes that read the effective file: it has the secrets.

    The values that the file cannot contain stay.
    """
    kept = dict(environ)
    for variable, text in environ.items():
        found = resolve_variable(variable)
        if found and found[0].secret and not found[1] and _fits_a_line(text):
            del kept[variable]
    return kept


def _fits_a_line(text: str) -> bool:
    """Return whether an INI file can contain a value. Others stay in the environment only."""
    is_utf8 = not any("\ud800" <= character <= "\udfff" for character in text)
    return is_utf8 and text == text.strip() and len(text.splitlines()) <= 1


def _names(option: Option, name: str) -> bool:
    """Return whether a name in the file's section sets this option, as a value or as a file."""
    found = resolve_option(sections()[option.section], name)
    return found is not None and found[0].location == option.location


def embedded_sections(
    data: DataDir, record: StackRecord, *, databases: Sequence[str], redis: bool
) -> Sections:
    """Return the options that a stack sets unless the user does.

    Args:
        data: its data directory.
        record: its ports and passwords.
        databases: the sections of the databases on the embedded PostgreSQL.
        redis: whether it uses the embedded Valkey.
    """
    sections: Sections = {
        "fingerprint_index": {
            "path": str(data.index),
            "sketch_path": str(data.sketch),
            "sketch_rate": str(EMBEDDED_RATE),
        },
        "fingerprint_store": {"path": str(data.store)},
        "cluster": {"secret": record.cluster_secret},
        "cluster.rate_limiter": {"ip_limit": LOCAL_IP_LIMIT},
        "features": {"demo_key": "true"},
        "api": {"one_core": "true"},
        "flower": {"password": record.flower_password},
    }
    for name in databases:
        sections[name] = {
            "host": LOOPBACK,
            "port": str(record.postgres_port),
            "user": USER,
            "password": record.postgres_password,
        }
    if redis:
        sections[REDIS] = {
            "host": LOOPBACK,
            "port": str(record.valkey_port),
            "password": record.valkey_password,
        }
    return sections


def read_sections(path: Path | None) -> Sections:
    """Return the options of a file that `load_settings` accepts, with absolute paths.

    The effective file is in another folder.
    """
    if path is None:
        return {}
    parser = read_ini(path)
    return {
        section: {
            name: _absolute(section, name, text, path.parent)
            for name, text in parser.items(section)
        }
        for section in parser.sections()
    }


def _absolute(section: str, name: str, text: str, folder: Path) -> str:
    found = resolve_option(sections()[section], name)
    return absolute_text(found[0], text, folder, is_file=found[1]) if found else text


def _format(sections: Sections, mark: str) -> str:
    parser = ini_parser()
    parser.read_dict(sections)
    text = io.StringIO()
    text.write("# Written by `acoustid up` at each start; changes are lost. Set ACOUSTID_CONFIG\n")
    text.write("# to a file of your own, or ACOUSTID_<SECTION>_<OPTION>, instead.\n")
    text.write(f"{mark}\n\n")
    parser.write(text)
    return text.getvalue()
