"""``acoustid tracks``: shows a track; finds and merges tracks of the same recording."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli.argument_checks import CheckedGroup
from cli.commands.catalogue.open_databases import changing_catalogue, open_databases
from cli.commands.catalogue.track_parameter import TrackParameter
from cli.commands.catalogue.track_text import echo_track
from cli.errors import StackError
from cli.list_options import json_option, limit_option
from cli.stack import data_directory
from cli.text_table import echo_json
from pipeline.catalog.fingerprint.track_merge import TrackMerge, merge_tracks, plan_merge
from pipeline.catalog.fingerprint.track_merge_links import KINDS
from pipeline.catalog.fingerprint.tracks import Track, TrackName
from pipeline.upkeep.disabled_links import find_disabled_links
from pipeline.upkeep.duplicate_tracks import find_duplicates
from pipeline.upkeep.track_report import report_track


@click.group(cls=CheckedGroup)
def tracks() -> None:
    """Show a track; find and merge tracks of the same recording."""


@tracks.command()
@click.argument("track", type=TrackParameter())
@json_option
@data_directory.option
def show(data_dir: Path, track: TrackName, *, as_json: bool) -> None:
    """Print a track with its fingerprints, links, texts and history.

    A track is given by its gid or its id. For a merged track, the target of the merge is printed.
    """
    with open_databases(data_dir, "tracks") as databases:
        report = report_track(databases, track)
    if report is None:
        raise StackError(f"there is no track {track}")
    if as_json:
        echo_json(report)
    else:
        echo_track(report)


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
    if dry_run:
        with (
            open_databases(data_dir, "tracks") as databases,
            databases.engine("fingerprint").connect() as connection,
        ):
            plan = plan_merge(connection, target, source)
    else:
        with changing_catalogue(data_dir, "tracks") as databases:
            plan = merge_tracks(databases, target, source)
    click.echo(json.dumps({"dry_run": dry_run, **_described(plan)}, indent=2))


@tracks.command()
@limit_option(20, "pairs")
@data_directory.option
def suggest(data_dir: Path, limit: int) -> None:
    """List similar tracks that share an MBID, as JSON."""
    with open_databases(data_dir, "tracks") as databases:
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


@tracks.command("disabled-links")
@limit_option(20, "links")
@data_directory.option
def disabled_links(data_dir: Path, limit: int) -> None:
    """List links that periodic tasks disabled, newest first, as JSON.

    Links that are enabled again are left out. `acoustid edits link-mbid` enables a link.
    """
    with open_databases(data_dir, "tracks") as databases:
        found = find_disabled_links(databases, limit)
    links = [
        {
            "track": str(each.track),
            "mbid": str(each.mbid),
            "sources": each.sources,
            "disabled": each.time,
            "note": each.note,
        }
        for each in found
    ]
    echo_json(links)


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
