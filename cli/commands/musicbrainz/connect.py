"""``acoustid musicbrainz connect``: checks a mirror of MusicBrainz."""

import os
from pathlib import Path
from typing import Any, Final

import click
import sqlalchemy as sa
from pydantic import SecretStr, ValidationError

from cli.error_messages import explain
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import NoStackError, settings_for_command
from pipeline.catalog.musicbrainz.mirror.check import MirrorReport, check_mirror
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import MusicbrainzDatabaseSettings, Settings

PASSWORD_VARIABLES: Final = ("ACOUSTID_DATABASE_MUSICBRAINZ_PASSWORD", "PGPASSWORD")
"""The variables of the password, if an option names the server or the user."""

SHOWN_TABLES: Final = ("recording", "release", "artist", "track")


@click.command()
@click.option("--host", help="Host of another server, or the directory of its Unix socket.")
@click.option("--port", type=int, help="Its TCP port.")
@click.option("--name", help="Its database.")
@click.option("--user", help="Role to log in as.")
@click.option("--sslmode", help="disable, require, verify-full and others, as in libpq.")
@data_directory.option
def connect(data_dir: Path, **options: str | int | None) -> None:
    """Check whether lookups can use a mirror of MusicBrainz.

    The database is only read. Without options it is the one that lookups read:
    [database_musicbrainz_ro] if it is set, otherwise [database_musicbrainz]. With options, another
    one is checked, and the section for acoustid.conf is printed. Its password is read from
    ACOUSTID_DATABASE_MUSICBRAINZ_PASSWORD or PGPASSWORD. The exit status is 0 if lookups can use
    the database. What it lacks is printed with the effect.
    """
    given = {name: value for name, value in options.items() if value is not None}
    # The variables of libpq are removed for the stack's own PostgreSQL.
    password = next(filter(None, map(os.environ.get, PASSWORD_VARIABLES)), "")
    settings = _settings(data_dir, given, password)
    database = settings.database_musicbrainz_ro
    place = f"{database.host}:{database.port}/{database.name}"
    try:
        report = _check(settings)
    except sa.exc.SQLAlchemyError as error:
        raise StackError(f"{place} cannot be read: {explain(error)}") from error
    _print(report, f"{place} as {database.user}")
    if not report.is_usable:
        raise StackError(f"lookups cannot use {place}")
    click.echo(f"lookups can use {place}")
    if given:
        _print_section(database)


def _settings(data_dir: Path, given: dict[str, Any], password: str) -> Settings:
    """Return the settings of the stack, with the database of the options."""
    try:
        settings = settings_for_command(data_dir)
    except NoStackError:
        if not given:
            raise
        settings = Settings()
    if not given:
        return settings
    # A password for another server or user is not sent to this one.
    chosen = settings.database_musicbrainz.model_dump() | given | {"password": SecretStr(password)}
    try:
        database = MusicbrainzDatabaseSettings.model_validate(chosen)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise click.UsageError(f"--{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    update = {"database_musicbrainz": database, "database_musicbrainz_ro": database}
    return settings.model_copy(update=update)


def _check(settings: Settings) -> MirrorReport:
    databases = Databases(settings, component="musicbrainz-check")
    try:
        engine = databases.engine("musicbrainz", read_only=True)
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            return check_mirror(connection)
    finally:
        databases.dispose()


def _print(report: MirrorReport, place: str) -> None:
    click.echo(f"address: {place}")
    for name, value in report.facts.items():
        click.echo(f"{name}: {value}")
    counted = [(name, report.rows[name]) for name in SHOWN_TABLES if report.rows.get(name, -1) >= 0]
    if counted:
        click.echo(f"rows, about: {', '.join(f'{name} {count}' for name, count in counted)}")
    for text in report.lacks:
        click.echo(f"it lacks: {text}")
    for statement in report.indexes:
        click.echo(f"lookups are slow without this index: {statement}")
    for text in report.defects:
        click.echo(f"not usable: {text}")


def _print_section(database: MusicbrainzDatabaseSettings) -> None:
    click.echo("\nthe section for acoustid.conf; remove [database_musicbrainz_ro]:\n")
    click.echo("[database_musicbrainz]")
    for name in ("name", "user", "host", "port", "sslmode"):
        value = getattr(database, name)
        if value is not None:
            click.echo(f"{name} = {str(value).replace('%', '%%')}")
    click.echo(f"# the password: {PASSWORD_VARIABLES[0]} or {PASSWORD_VARIABLES[0]}_FILE")
