"""``acoustid edits``: corrects the catalogue, lists corrections and undoes them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import click

from cli.argument_checks import LARGEST, CheckedGroup
from cli.commands.catalogue.open_databases import changing_catalogue, open_databases
from cli.commands.catalogue.track_parameter import TrackParameter
from cli.errors import StackError
from cli.list_options import limit_option
from cli.stack import data_directory
from cli.text_table import echo_json
from pipeline.catalog.app.accounts import account_names, ensure_bot_account, find_account_by_id
from pipeline.catalog.edits import edit_log
from pipeline.catalog.edits.edit_log import MAX_NOTE, Author, Edit
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint, split_track
from pipeline.catalog.edits.link_edits import link_mbid, remove_text, unlink_mbid
from pipeline.catalog.edits.row_changes import RowChange
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.fingerprint.tracks import TrackName, find_current_track, find_merged_tracks
from pipeline.runtime.databases import Databases

_F = TypeVar("_F", bound=Callable[..., Any])

_ID: Final = click.IntRange(min=1, max=LARGEST)


class NoteParameter(click.ParamType[str]):
    """The reason for an edit."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the note without white space at its ends."""
        note = str(value).strip()
        if not 0 < len(note) <= MAX_NOTE:
            self.fail(f"1 to {MAX_NOTE} characters are needed", param, ctx)
        return note


def _editing(function: _F) -> _F:
    """Add the options of all commands that make an edit."""
    account = click.option(
        "--account",
        type=_ID,
        metavar="ID",
        help="Account for the log.  [default: the service's own account, acoustid_bot]",
    )
    note = click.option(
        "--note", type=NoteParameter(), required=True, help="Reason for the edit, for the log."
    )
    return data_directory.option(account(note(function)))


@click.group(cls=CheckedGroup)
def edits() -> None:
    """Correct links, texts, fingerprints and tracks; list and undo corrections.

    A track is given by its gid or its id. `acoustid tracks show` prints the ids of fingerprints and
    texts. Each command prints the id of its edit. Lookups show the edit at once.
    """


@edits.command("list")
@click.option(
    "--track",
    type=TrackParameter(),
    help="Only edits of this track and of the tracks that were merged into it.",
)
@limit_option(20, "edits")
@data_directory.option
def list_edits(data_dir: Path, track: TrackName | None, limit: int) -> None:
    """List edits, newest first, as JSON.

    For a merged track, the edits of the target of the merge are listed.
    """
    with open_databases(data_dir, "edits") as databases:
        with databases.engine("fingerprint").connect() as connection:
            if track is None:
                found = edit_log.newest_edits(connection, limit)
            else:
                known = find_current_track(connection, track)
                if known is None:
                    raise StackError(f"there is no track {track}")
                ids = [known.id, *find_merged_tracks(connection, [known.id])]
                found = edit_log.edits_of_tracks(connection, ids, limit)
        names = _names(databases, found)
    echo_json([_described(each, names) for each in found])


@edits.command()
@click.argument("edit_id", metavar="ID", type=_ID)
@data_directory.option
def show(data_dir: Path, edit_id: int) -> None:
    """Print an edit with the rows that it changed, as JSON."""
    with open_databases(data_dir, "edits") as databases:
        with databases.engine("fingerprint").connect() as connection:
            found = edit_log.find_edit(connection, edit_id)
            undoes = edit_log.undone_edit(connection, edit_id)
        described = _described(found, _names(databases, [found]))
    changes = [_changed(change) for change in found.changes]
    echo_json({**described, "undoes": undoes, "changes": changes})


@edits.command()
@click.argument("edit_id", metavar="ID", type=_ID)
@_editing
def undo(data_dir: Path, edit_id: int, account: int | None, note: str) -> None:
    """Undo an edit.

    The state before the edit is restored. If the rows have changed since in another way, nothing is
    changed, and the error names the changes. An undo is an edit and can be undone.
    """
    with changing_catalogue(data_dir, "edits") as databases:
        made = undo_edit(databases, _author(databases, account, note), edit_id)
    _print(made)


@edits.command("unlink-mbid")
@click.argument("track", type=TrackParameter())
@click.argument("mbid", type=click.UUID)
@_editing
def unlink(data_dir: Path, track: TrackName, mbid: UUID, account: int | None, note: str) -> None:
    """Disable the link of a track to an MBID.

    The link stays disabled when the MBID is submitted again.
    """
    with changing_catalogue(data_dir, "edits") as databases:
        made = unlink_mbid(databases, _author(databases, account, note), track, mbid)
    _print(made)


@edits.command("link-mbid")
@click.argument("track", type=TrackParameter())
@click.argument("mbid", type=click.UUID)
@_editing
def link(data_dir: Path, track: TrackName, mbid: UUID, account: int | None, note: str) -> None:
    """Link a track to an MBID, or enable a disabled link."""
    with changing_catalogue(data_dir, "edits") as databases:
        made = link_mbid(databases, _author(databases, account, note), track, mbid)
    _print(made)


@edits.command("remove-fingerprint")
@click.argument("fingerprint_id", metavar="ID", type=_ID)
@_editing
def remove_one(data_dir: Path, fingerprint_id: int, account: int | None, note: str) -> None:
    """Remove a fingerprint. Its track stays."""
    with changing_catalogue(data_dir, "edits") as databases:
        author = _author(databases, account, note)
        made = remove_fingerprint(databases, author, fingerprint_id)
    _print(made)


@edits.command("remove-text")
@click.argument("track", type=TrackParameter())
@click.argument("text_id", type=_ID)
@_editing
def remove_one_text(
    data_dir: Path, track: TrackName, text_id: int, account: int | None, note: str
) -> None:
    """Remove a submitted text from a track."""
    with changing_catalogue(data_dir, "edits") as databases:
        made = remove_text(databases, _author(databases, account, note), track, text_id)
    _print(made)


@edits.command("split-track")
@click.argument("track", type=TrackParameter())
@click.argument("fingerprint_id", metavar="FINGERPRINT...", type=_ID, nargs=-1, required=True)
@_editing
def split(
    data_dir: Path,
    track: TrackName,
    fingerprint_id: Sequence[int],
    account: int | None,
    note: str,
) -> None:
    """Move fingerprints of a track to a new track.

    The links of the track follow the submissions of these fingerprints.
    """
    with changing_catalogue(data_dir, "edits") as databases:
        author = _author(databases, account, note)
        made = split_track(databases, author, track, fingerprint_id)
    _print(made.edit_id, new_track=str(made.gid))


def _author(databases: Databases, account_id: int | None, note: str) -> Author:
    with databases.engine("app").begin() as connection:
        if account_id is None:
            return Author(ensure_bot_account(connection), note)
        if find_account_by_id(connection, account_id) is None:
            raise StackError(f"there is no account {account_id}")
    return Author(account_id, note)


def _print(edit_id: int, **more: str) -> None:
    click.echo(json.dumps({"edit_id": edit_id, **more}))


def _names(databases: Databases, found: Sequence[Edit]) -> Mapping[int, str]:
    with databases.engine("app").connect() as connection:
        return account_names(connection, {each.account_id for each in found})


def _described(edit: Edit, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": edit.id,
        "kind": edit.kind,
        "created": edit.created,
        "account": {"id": edit.account_id, "name": names.get(edit.account_id)},
        "note": edit.note,
        "track_ids": list(edit.track_ids),
        "changed": edit.subjects(),
        "undone_by": edit.undone_by,
    }


def _changed(change: RowChange) -> dict[str, Any]:
    """Return a change without columns that are equal before and after, and without words."""
    stored = change.to_json()
    before, after = stored["before"], stored["after"]
    if before is not None and after is not None:
        names = [name for name in before if before[name] != after[name]]
        before, after = ({name: row[name] for name in names} for row in (before, after))
    for row in (before, after):
        if row is not None:
            row.pop("words", None)
    return {"table": change.table.name, "id": change.id, "before": before, "after": after}
