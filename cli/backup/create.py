"""Writes a backup: snapshots, dumps, configuration, manifest."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from tqdm import tqdm

from cli.backup.configuration import SavedConfiguration, saved_configuration
from cli.backup.dump import dump
from cli.backup.manifest import (
    NAME,
    BackupManifest,
    Counts,
    DatabaseDump,
    StoredFile,
    dump_name,
)
from cli.backup.programs import Program, find_program
from cli.backup.progress import DumpProgress, Plan, total_size
from cli.backup.retention import delete_older
from cli.backup.snapshots import (
    Snapshot,
    find_sources,
    open_snapshots,
    service_identity,
)
from cli.backup.target import Target, open_file, open_folder
from cli.error_messages import explain
from cli.errors import StackError
from cli.stack.selection import ChosenStack
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases

Report = Callable[[str], None]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True)
class _Content:
    """What was written so far: the dumps, the members by name, the counts by name."""

    dumps: list[DatabaseDump] = field(default_factory=list)
    members: dict[str, StoredFile] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def backup_to_folder(
    chosen: ChosenStack,
    parent: Path,
    report: Report,
    *,
    keep: int | None = None,
    postgres_bin: Path | None = None,
) -> Path:
    """Write a backup to a new folder; return its path.

    Args:
        chosen: the service.
        parent: the folder of all backups.
        report: called with one line of text at a time.
        keep: how many backups of the service stay in `parent`; None for all.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.

    Raises:
        StackError: it was not written, and nothing of it is left; or older ones can't be deleted.
    """
    _require_outside(chosen, parent)
    with _explained(parent), open_folder(parent) as target:
        path, service = _write(chosen, target, report, postgres_bin)
        if keep is not None:
            try:
                for old in delete_older(parent, path, service, keep):
                    report(f"deleted the older backup {old}")
            except OSError as error:
                raise StackError(
                    f"{path} is complete, but older backups were not deleted: {explain(error)}"
                ) from error
    return path


def backup_to_file(
    chosen: ChosenStack, file: Path, report: Report, *, postgres_bin: Path | None = None
) -> Path:
    """Write a backup to a new tar file; return its path.

    Args:
        chosen: the service.
        file: the file, which must not exist.
        report: called with one line of text at a time.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.

    Raises:
        StackError: it was not written, and nothing of it is left.
    """
    _require_outside(chosen, file)
    with _explained(file), open_file(file) as target:
        return _write(chosen, target, report, postgres_bin)[0]


def _require_outside(chosen: ChosenStack, path: Path) -> None:
    if chosen.data and path.resolve().is_relative_to(chosen.data.root):
        raise StackError(
            f"{path} is in the data directory {chosen.data.root}, with which it would be lost: "
            "give a path on another disk or machine"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (*DATABASE_UNUSABLE, OSError) as error:
        advice = ""
        if isinstance(error, OSError) and error.errno in _FULL:
            advice = ": free some space, or give another path"
        raise StackError(f"no backup was written to {path}: {explain(error)}{advice}") from error


def _write(
    chosen: ChosenStack, target: Target, report: Report, postgres_bin: Path | None
) -> tuple[Path, str]:
    """Write all members; return the path of the backup and the identity of the service."""
    settings = chosen.settings()
    databases = Databases(settings, component="backup")
    try:
        sources, left_out = find_sources(settings, databases)
        service = service_identity(databases)
        program = find_program("pg_dump", max(each.server_major for each in sources), postgres_bin)
        configuration = saved_configuration(chosen)
        content = _Content()
        with open_snapshots(databases, sources) as snapshots:
            _write_dumps(databases, program, snapshots, target, content)
    finally:
        databases.dispose()
    _write_configuration(configuration, target, content)
    manifest = BackupManifest(
        created=min(each.snapshot for each in content.dumps),
        acoustid_version=version("acoustid-pipeline"),
        service=service,
        dumps=tuple(content.dumps),
        files=content.members,
        counts=Counts(**content.counts),
        left_out=left_out,
        outside_files=configuration.outside_files,
    )
    with target.member(NAME) as member:
        member.write(manifest.to_json().encode())
    path = target.finish()
    _tell(manifest, report)
    return path, service


def _write_dumps(
    databases: Databases,
    program: Program,
    snapshots: list[Snapshot],
    target: Target,
    content: _Content,
) -> None:
    """Write the dumps, the largest database last: the transactions of the others end early."""
    plans = {each.name: Plan.read(each) for each in snapshots}
    by_size = sorted(snapshots, key=lambda each: plans[each.name].size())
    total = total_size(list(plans.values()))
    with tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        for snapshot in by_size:
            progress = DumpProgress(bar, plans[snapshot.name], databases, snapshot)
            _write_dump(program, snapshot, progress, target, content)
            snapshot.end()
    content.dumps = [_described(each, program) for each in snapshots]


def _write_dump(
    program: Program, snapshot: Snapshot, progress: DumpProgress, target: Target, content: _Content
) -> None:
    file = dump_name(snapshot.source.names)
    with target.member(file) as member:

        def write(part: bytes) -> None:
            member.write(part)
            progress.advance()

        dump(program, snapshot, progress.application, write)
    progress.finish()
    content.members[file] = member.stored()
    content.counts.update(_counts(snapshot))


def _described(snapshot: Snapshot, program: Program) -> DatabaseDump:
    source = snapshot.source
    return DatabaseDump(
        names=source.names,
        file=dump_name(source.names),
        database=source.settings.name,
        revisions=source.revisions,
        server_version=source.server_version,
        dumped_by=program.version,
        snapshot=snapshot.taken,
    )


def _counts(snapshot: Snapshot) -> dict[str, int]:
    """Return the numbers of `Counts` that a database has, in its snapshot."""
    found: dict[str, int] = {}
    if "fingerprint" in snapshot.source.names:
        found["fingerprints"] = _count(snapshot, sa.select(fingerprint.c.id))
        found["tracks"] = _count(snapshot, sa.select(track.c.id))
    if "ingest" in snapshot.source.names:
        is_pending = submission.c.state == sa.literal_column("'pending'")  # as in its index
        found["pending_submissions"] = _count(
            snapshot, sa.select(submission.c.id).where(is_pending)
        )
    return found


def _count(snapshot: Snapshot, rows: sa.Select[Any]) -> int:
    statement = sa.select(sa.func.count()).select_from(rows.subquery())
    return int(snapshot.connection.execute(statement).scalar_one())


def _write_configuration(
    configuration: SavedConfiguration, target: Target, content: _Content
) -> None:
    for name, text in configuration.members.items():
        with target.member(name) as member:
            member.write(text)
        content.members[name] = member.stored()


def _tell(manifest: BackupManifest, report: Report) -> None:
    counts = manifest.counts
    report(
        f"{counts.fingerprints} fingerprints, {counts.tracks} tracks, "
        f"{counts.pending_submissions} pending submissions, {manifest.size() / 1e6:.1f} MB"
    )
    for name in manifest.left_out:
        report(f"not in the backup: the database {name}, a mirror that has its own backup")
    for path in manifest.outside_files:
        report(f"not in the backup: {path}, which the configuration names")
