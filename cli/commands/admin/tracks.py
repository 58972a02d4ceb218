"""``acoustid tracks``: finds and merges tracks of the same recording."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import sqlalchemy as sa

from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.effective_settings import settings_for_command
from pipeline.catalog.fingerprint.track_merge import (
    MergeRefusedError,
    TrackMerge,
    merge_tracks,
    plan_merge,
)
from pipeline.catalog.fingerprint.track_merge_links import KINDS
from pipeline.catalog.fingerprint.tracks import Track, TrackName
from pipeline.runtime.databases import Databases
from pipeline.upkeep.duplicate_tracks import find_duplicates
from tasks.redis_state import catalogue_generation


class TrackParameter(click.ParamType[TrackName]):
    """A track, given by its gid or its id."""

    name = "track"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> TrackName:
        """Return the gid or the id. A text of 32 digits is a gid."""
        try:
            return UUID(value)
        except ValueError:
            if value.isascii() and value.isdigit() and int(value) < 2**31:
                return int(value)
            self.fail(f"{value!r} is neither the gid nor the id of a track", param, ctx)


@click.group()
def tracks() -> None:
    """Find and merge tracks of the same recording."""


@tracks.command()
@click.argument("target", type=TrackParameter())
@click.argument("source", type=TrackParameter(), nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Print the changes without making them.")
@data_directory.option
def merge(data_dir: Path, target: TrackName, source: Sequence[TrackName], *, dry_run: bool) -> None:
    """Merge each SOURCE into TARGET.

    A track is given by its gid or its id. The fingerprints, links and submissions of each SOURCE
    move to TARGET, and SOURCE redirects to it. Lookups continue during the merge. Imports wait
    until it has ended. After an interruption, run the command again.
    """
    with _databases(data_dir) as databases:
        if dry_run:
            with databases.engine("fingerprint").connect() as connection:
                plan = plan_merge(connection, target, source)
        else:
            plan = merge_tracks(databases, target, source)
            catalogue_generation.renew_at(settings_for_command(data_dir).redis)
    click.echo(json.dumps({"dry_run": dry_run, **_described(plan)}, indent=2))


@tracks.command()
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Maximum number of pairs.",
)
@data_directory.option
def suggest(data_dir: Path, limit: int) -> None:
    """List similar tracks that share an MBID, as JSON."""
    with _databases(data_dir) as databases:
        found = find_duplicates(databases, limit)
    pairs = [
        {
            "target": str(each.target),
            "source": str(each.source),
            "mbid": str(each.mbid),
            "min_score": round(each.min_score, 4),
            "max_length_difference": each.max_length_diff,
        }
        for each in found
    ]
    click.echo(json.dumps(pairs, indent=2))


def _described(plan: TrackMerge) -> dict[str, Any]:
    return {
        "target": _named(plan.target),
        "merged": [_named(each) for each in plan.sources],
        "merged_before": [_named(each) for each in plan.earlier],
        "fingerprints_moved": len(plan.moved),
        "redirects_updated": len(set(plan.redirected) - {each.id for each in plan.earlier}),
        "links": {
            kind.table.name: {
                "left": len(groups),
                "removed": sum(len(group.removed) for group in groups),
            }
            for kind, groups in zip(KINDS, plan.links, strict=True)
        },
    }


def _named(track: Track) -> dict[str, Any]:
    return {"id": track.id, "gid": str(track.gid)}


@contextmanager
def _databases(data_dir: Path) -> Iterator[Databases]:
    """Open the databases of a stack.

    Raises:
        StackError: a database is unreachable or not migrated, or the merge is refused.
    """
    databases = Databases(settings_for_command(data_dir), component="tracks")
    try:
        yield databases
    except MergeRefusedError as error:
        raise StackError(str(error)) from error
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        raise StackError(f"a database failed: {reason}; run the command again") from error
    finally:
        databases.dispose()
