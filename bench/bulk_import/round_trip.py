"""``acoustid bench round-trip``: a catalogue that is exported and imported answers as before."""

import http.client
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
import sqlalchemy as sa

from bench.bulk_import.command import scratch_folder
from bench.bulk_import.runs import run_command
from bench.bulk_import.table_digests import table_digests
from bench.bulk_import.variety import vary
from bench.catalogue.content import BenchCatalogue
from bench.catalogue.load import load_musicbrainz
from bench.lookup.queries import QuerySource
from bench.options import output_option, progress, write_report
from bench.stack.checkouts import Checkout
from bench.stack.launch import (
    KEY,
    StackOptions,
    create_keys,
    data_directory,
    launch_loaded_stack,
    launch_stack,
)
from bench.stack.plan import fingerprints_option, seed_option
from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from cli.stack.effective_settings import read_settings
from cli.stack.servers.ports import LOOPBACK
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint.tables import track
from pipeline.fingerprint_store import open_store
from pipeline.following.open_index import open_index
from pipeline.lookups.metadata.meta_words import LEGACY_WORD, META_WORDS
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

TIMEOUT: Final = 60.0  # seconds
FOLLOW_TIMEOUT: Final = 120.0  # seconds
TRACK_SHARE: Final = 20
"""One lookup in 20 asks for a track by its id, merged tracks first."""

METAS: Final = (
    " ".join(word for word in META_WORDS if word not in (LEGACY_WORD, "compress")),
    "recordings releasegroups releases tracks compress usermeta sources isrcs",
    "recordingids releaseids releasegroupids sources",
    "usermeta recordings compress",
    LEGACY_WORD,
)
"""The values of `meta`, in turn. Together they have all words."""

OPTIONS: Final = StackOptions(workers=1)

Tables = Mapping[str, tuple[int, str]]


@click.command("round-trip", cls=CheckedCommand)
@fingerprints_option
@click.option(
    "--lookups",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Number of lookups whose replies are compared.",
)
@seed_option
@output_option
def round_trip(*, fingerprints: int, lookups: int, seed: int, output: Path | None) -> None:
    """Export a catalogue, import it into a new stack, and compare tables and replies.

    The catalogue has merged tracks, disabled MBIDs, edits, and all kinds of links. The lookups have
    all words of `meta`. Their replies are compared byte by byte.
    """
    catalogue = BenchCatalogue(fingerprints, seed)
    with scratch_folder() as folder:
        bodies, before, tables, exported = _export(catalogue, folder, lookups)
        after, copies, imported = _import(catalogue, folder, bodies)
    different = sum(old != new for old, new in zip(before, after, strict=True))
    wrong = sorted(name for name in tables if tables[name] != copies[name])
    figures = {
        "shape": {"fingerprints": fingerprints, "seed": seed},
        "lookups": lookups,
        "with_results": sum(b'"results": [{' in each for each in before),
        "different_replies": different,
        "different_tables": wrong,
        "rows": {name: count for name, (count, _) in tables.items()},
        "export": exported,
        "import": imported,
    }
    write_report("round-trip", figures, output)
    if different or wrong:
        raise StackError(f"{different} replies and the tables {wrong} are not equal")


def _export(
    catalogue: BenchCatalogue, folder: Path, lookups: int
) -> tuple[list[str], list[bytes], Tables, dict[str, Any]]:
    """Return the bodies of lookups, the replies, the tables, and the figures of the export."""
    with (
        data_directory(None) as data,
        launch_loaded_stack(data, catalogue, OPTIONS, progress) as stack,
    ):
        databases = Databases(stack.settings, component="bench")
        try:
            progress("merging and editing tracks")
            vary(stack, databases, catalogue, folder)
            _wait_for_copies(stack.settings, databases)
            bodies = _bodies(catalogue, databases, lookups)
            replies = _replies(stack.port, bodies)
            progress("exporting")
            run = run_command(data, "export", str(folder / "export"))
            tables = table_digests(databases)
        finally:
            databases.dispose()
    return bodies, replies, tables, run.figures(tables["fingerprint"][0], "fingerprints")


def _import(
    catalogue: BenchCatalogue, folder: Path, bodies: Sequence[str]
) -> tuple[list[bytes], Tables, dict[str, Any]]:
    """Return the replies, the tables, and the figures of the import into a new stack."""
    with (
        data_directory(None) as data,
        launch_stack(data, OPTIONS, Checkout.own(), progress) as stack,
    ):
        settings = read_settings(data.config, {})
        create_keys(settings)
        databases = Databases(settings, component="bench")
        try:
            load_musicbrainz(catalogue, databases)
            progress("importing")
            run = run_command(data, "import", str(folder / "export"))
            replies = _replies(stack.port, bodies)
            tables = table_digests(databases)
        finally:
            databases.dispose()
    return replies, tables, run.figures(tables["fingerprint"][0], "fingerprints")


def _bodies(catalogue: BenchCatalogue, databases: Databases, count: int) -> list[str]:
    """Return the bodies of lookups by fingerprint and by track id."""
    sources = [QuerySource(catalogue, meta) for meta in METAS]
    by_id = count // TRACK_SHARE
    statement = sa.select(track.c.gid).order_by(track.c.new_id.nulls_last(), track.c.id)
    with databases.engine("fingerprint").connect() as connection:
        gids = connection.execute(statement.limit(by_id)).scalars().all()
    forms = [{"client": KEY, "trackid": str(gid), "meta": METAS[0]} for gid in gids]
    rest = range(count - len(forms))
    by_fingerprint = (sources[number % len(sources)].request(number).body for number in rest)
    return [*map(urlencode, forms), *by_fingerprint]


def _replies(port: int, bodies: Sequence[str]) -> list[bytes]:
    """Return the replies to lookups.

    Raises:
        StackError: one has a status other than 200.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    replies = []
    for body in bodies:
        connection.request("POST", "/v2/lookup", body, headers)
        reply = connection.getresponse()
        replies.append(reply.read())
        if reply.status != http.client.OK:
            raise StackError(f"a lookup has the status {reply.status}: {replies[-1][:200]!r}")
    connection.close()
    return replies


def _wait_for_copies(settings: Settings, databases: Databases) -> None:
    """Wait until the index and the store have all changes.

    Raises:
        StackError: they have not after two minutes.
    """
    with databases.engine("fingerprint").connect() as connection:
        newest = newest_position(connection)
    deadline = time.monotonic() + FOLLOW_TIMEOUT
    with open_index(settings.fingerprint_index) as index:
        while (
            min(index.position(), open_store(settings.fingerprint_store.path).position()) < newest
        ):
            if time.monotonic() > deadline:
                raise StackError("the index is not up to date: see the index worker's log")
            time.sleep(0.1)
