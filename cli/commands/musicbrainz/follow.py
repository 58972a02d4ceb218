"""``acoustid musicbrainz follow``: applies MusicBrainz's replication packets."""

from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import click
import sqlalchemy as sa
from tqdm import tqdm

from cli.error_messages import explain
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.musicbrainz.replication.errors import CopyBusyError, SourceUnavailableError
from pipeline.catalog.musicbrainz.replication.follow import follow as follow_packets
from pipeline.catalog.musicbrainz.replication.follow import next_sequence, open_source
from pipeline.catalog.musicbrainz.replication.position import followed_position
from pipeline.catalog.musicbrainz.replication.sources import PacketSource
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.settings.sections import Settings
from tasks.redis_state import catalogue_generation

_LATER = (SourceUnavailableError, CopyBusyError, *DATABASE_UNREACHABLE)
"""Errors after which a later attempt may succeed."""


@click.command()
@click.argument("source", required=False)
@click.option("--once", is_flag=True, help="End when there is no further packet.")
@data_directory.option
def follow(source: str | None, data_dir: Path, *, once: bool) -> None:
    """Apply the replication packets in SOURCE to the copy, in order.

    SOURCE is a directory with files such as replication-190000-v2.tar.bz2, or the address of a
    server, such as https://metabrainz.org/api/musicbrainz. By default it is [musicbrainz]
    replication_source. The server's token is [musicbrainz] replication_token. The first packet is
    the one after the dump that `acoustid musicbrainz load` has loaded.

    Each packet is one transaction, so this command may be stopped at any time. Without --once it
    searches for new packets every [musicbrainz] replication_interval seconds, until Ctrl-C. A
    packet that is missing, damaged or of another schema ends it and changes nothing.
    """
    settings = settings_for_command(data_dir)
    named = source or settings.musicbrainz.replication_source
    if not named:
        raise StackError("give SOURCE, or set [musicbrainz] replication_source")
    packets = open_source(named, settings.musicbrainz.replication_token)
    databases = Databases(settings, component="musicbrainz")
    try:
        engine = databases.engine("musicbrainz")
        while True:
            try:
                _apply(settings, engine, packets)
            except _LATER as error:
                if once:
                    raise
                click.echo(f"{datetime.now(UTC):%F %T} {explain(error)}", err=True)
            if once:
                return
            sleep(settings.musicbrainz.replication_interval)
    finally:
        databases.dispose()


def _apply(settings: Settings, engine: sa.Engine, source: PacketSource) -> None:
    """Apply all packets, and print the state of the copy."""
    first, newest = next_sequence(engine), source.newest()
    total = None if newest is None else max(0, newest - first + 1)
    applied = rows = 0
    with tqdm(total=total, unit="packet", disable=None) as bar:
        for packet in follow_packets(engine, source):
            catalogue_generation.renew_at(settings.redis)
            applied += 1
            rows += packet.changed
            until = f"packet {packet.sequence}, {packet.replicated:%F %H:%M}"
            bar.set_description(until, refresh=False)
            bar.update()
    with engine.connect() as connection:
        position, last = followed_position(connection)
    until = f", up to {position.replicated:%F %T %Z}" if position.replicated else ""
    click.echo(f"applied {applied} packets with {rows} rows; the last packet is {last}{until}")
