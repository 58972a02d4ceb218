"""``acoustid restore``: restores a backup into a new data directory, or reads it through."""

import time
from contextlib import suppress
from pathlib import Path
from shlex import quote

import click

from cli.argument_checks import CheckedCommand
from cli.backup.manifest import ManifestError
from cli.backup.opened import BackupDamagedError, OpenedBackup
from cli.backup.restoring.check import check_backup
from cli.backup.restoring.find import find_backup
from cli.backup.restoring.restore import Restored, RestoreOptions, restore_backup
from cli.errors import StackError
from cli.file_name import DirectoryName
from cli.stack.data_directory import DataDir


@click.command(cls=CheckedCommand)
@click.argument("source", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--data-dir",
    type=DirectoryName(),
    help="New directory of the stack, which is absent or empty. Needed without --check.",
)
@click.option("--check", "is_check", is_flag=True, help="Read the backup through, write nothing.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="File with the settings of the restored service, such as the hosts of empty databases."
    "  [default: as for `acoustid up`]",
)
@click.option(
    "--postgres-bin",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory of the PostgreSQL programs.",
)
def restore(
    source: Path,
    *,
    data_dir: Path | None,
    is_check: bool,
    config: Path | None,
    postgres_bin: Path | None,
) -> None:
    """Restore a backup of `acoustid backup`, for `acoustid up` on the same directory.

    DIR is a backup, or the folder with several of which the newest is taken. The databases are
    restored, then the index, the fingerprint store and the sketch index are built. An interrupted
    restore goes on when the same command runs again.
    """
    if data_dir is None and not is_check:
        raise click.UsageError("give a new directory with --data-dir, or --check")
    try:
        backup = find_backup(source)
        _print(backup)
        if is_check:
            check_backup(backup, postgres_bin)
            click.echo("the backup is intact")
        elif data_dir is not None:
            options = RestoreOptions(backup, DataDir.at(data_dir), config, postgres_bin)
            _print_restored(options, restore_backup(options, _report))
    except (ManifestError, BackupDamagedError) as error:
        raise StackError(str(error)) from error


def _print(backup: OpenedBackup) -> None:
    manifest = backup.manifest
    counts = manifest.counts
    click.echo(
        f"{backup.path}: {manifest.created:%Y-%m-%d %H:%M:%S} UTC, {counts.fingerprints} "
        f"fingerprints, {counts.tracks} tracks, {counts.pending_submissions} pending submissions"
    )
    if manifest.left_out:
        click.echo(f"not in the backup: {', '.join(manifest.left_out)}")


def _print_restored(options: RestoreOptions, restored: Restored) -> None:
    click.echo(
        f"restored: {restored.fingerprints} fingerprints; {restored.reconciled.pending} "
        "submissions are imported after the start"
    )
    for path in options.backup.manifest.outside_files:
        click.echo(f"the configuration names a file that is not in the backup: {path}")
    if restored.configuration is not None:
        click.echo(f"the options that were set for the old service are in {restored.configuration}")
    # Without the option, `up` would add the sample catalogue to one that does not have it.
    start = f"acoustid up --data-dir {quote(str(options.data.root))} --no-sample"
    if options.config is not None:
        start = f"ACOUSTID_CONFIG={quote(str(options.config))} {start}"
    click.echo(f"start it with: {start}")


def _report(line: str) -> None:
    with suppress(OSError):
        click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)
