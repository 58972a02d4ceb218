"""The effective configuration of a stack: the user's own, and the embedded servers beneath it.

Whatever the user's file or environment says holds. A database or Redis for which they give a host
is theirs; for one without, the embedded server's address and password are filled in.
"""

import configparser
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
from click.core import ParameterSource

from cli.errors import StackError
from cli.stack.data_directory import DataDir, write_private
from cli.stack.ports_and_passwords import StackRecord
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER
from pipeline.settings.load import DEFAULT_PATH, ConfigError, load_settings
from pipeline.settings.sections import Settings

DATABASES = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
REDIS = "redis"

CONFIG_VARIABLE = "ACOUSTID_CONFIG"

LOCAL_IP_LIMIT = "10"
"""Requests per second: all clients of one machine share its address, and an application's limit."""

_ADDRESS = ("port", "user", "username", "password")
"""Options that make no sense for a server of which the host is not given."""

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True)
class UserConfig:
    """What the user configures: a file, or none, and the environment.

    Attributes:
        path: the file, absolute.
        sections: the file's text.
        sources: which options are given, and where; see `Settings.sources`.
        environ: the environment.
    """

    path: Path | None
    sections: Sections
    sources: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "UserConfig":
        """Read and check what ``ACOUSTID_CONFIG`` or ``acoustid.conf`` here, and the rest, say.

        Raises:
            StackError: it is wrong; the text lists every problem.
        """
        named = environ.get(CONFIG_VARIABLE)
        path = Path(named) if named else DEFAULT_PATH if DEFAULT_PATH.exists() else None
        sources = read_settings(path, environ).sources
        config = cls(path.absolute() if path else None, _read_sections(path), sources, environ)
        config.check_addresses()
        return config

    @property
    def embedded_databases(self) -> tuple[str, ...]:
        """The sections of the databases that the embedded PostgreSQL serves."""
        return tuple(name for name in DATABASES if not self.gives(name, "host"))

    @property
    def embeds_redis(self) -> bool:
        """Whether the embedded Valkey is the stack's Redis."""
        return not self.gives(REDIS, "host")

    def gives(self, section: str, option: str) -> bool:
        """Say whether the user sets an option."""
        return f"{section}.{option}" in self.sources

    def check_addresses(self) -> None:
        """Refuse a user or password for a server of which nobody says where it is.

        Raises:
            StackError: there is one.
        """
        embedded = [*self.embedded_databases, *([REDIS] if self.embeds_redis else [])]
        for section in embedded:
            for option in _ADDRESS:
                origin = self.sources.get(f"{section}.{option}")
                if origin:
                    raise StackError(
                        f"{origin} is given, but no host for [{section}]: give the host too, or "
                        "leave both out for the embedded server"
                    )


def read_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Load settings as `load_settings` does.

    Raises:
        StackError: in place of `ConfigError`.
    """
    try:
        return load_settings(path, environ)
    except ConfigError as error:
        raise StackError(str(error)) from error


def settings_here(data_dir: Path) -> Settings:
    """Return the settings that a command works with.

    They are those of the stack in a ``--data-dir`` that was given, else those that
    ``ACOUSTID_CONFIG`` names, else those of the stack in the usual data directory.

    Raises:
        StackError: the configuration is faulty.
    """
    source = click.get_current_context().get_parameter_source("data_dir")
    is_given = source is ParameterSource.COMMANDLINE
    config = DataDir.at(data_dir).config
    if config.exists() and (is_given or CONFIG_VARIABLE not in os.environ):
        return read_settings(config)
    if is_given:
        raise StackError(f"{data_dir} holds no stack: make one with `acoustid up`")
    return read_settings()


def write_effective(data: DataDir, user: UserConfig, record: StackRecord) -> Settings:
    """Write the data directory's ``acoustid.conf`` and return what it amounts to."""
    sections = {name: dict(options) for name, options in user.sections.items()}
    for section, options in _embedded_sections(data, user, record).items():
        for option, value in options.items():
            if not user.gives(section, option):
                sections.setdefault(section, {})[option] = value
    write_private(data.config, _format(sections))
    return read_settings(data.config, user.environ)


def _embedded_sections(data: DataDir, user: UserConfig, record: StackRecord) -> Sections:
    sections: Sections = {
        "fingerprint_index": {"path": str(data.index)},
        "fingerprint_store": {"path": str(data.store)},
        "cluster": {"secret": record.cluster_secret},
        "cluster.rate_limiter": {"ip_limit": LOCAL_IP_LIMIT},
        "features": {"demo_key": "true"},
        "api": {"one_core": "true"},
    }
    for name in user.embedded_databases:
        sections[name] = {
            "host": LOOPBACK,
            "port": str(record.postgres_port),
            "user": USER,
            "password": record.postgres_password,
        }
    if user.embeds_redis:
        sections[REDIS] = {
            "host": LOOPBACK,
            "port": str(record.valkey_port),
            "password": record.valkey_password,
        }
    return sections


def _read_sections(path: Path | None) -> Sections:
    """Return the text of a file that `load_settings` accepts; its paths made absolute."""
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    if path:
        parser.read(path, encoding="utf-8")
    return {
        section: {option: _anchor(option, value) for option, value in parser.items(section)}
        for section in parser.sections()
    }


def _anchor(option: str, value: str) -> str:
    """Make a path independent of the working directory, as other commands run elsewhere."""
    is_path = option == "path" or option.endswith("_file")
    return str(Path(value).absolute()) if is_path and value else value


def _format(sections: Sections) -> str:
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    parser.read_dict(sections)
    text = io.StringIO()
    text.write("# Written by `acoustid up` at every start: changes are lost. Set ACOUSTID_CONFIG\n")
    text.write("# to a file of your own, or ACOUSTID_<SECTION>_<OPTION>, instead.\n\n")
    parser.write(text)
    return text.getvalue()
