"""Restores a backup into a new data directory, or into empty databases of external servers."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from redis.exceptions import RedisError

from cli.backup.manifest import CONFIGURATION, STACK
from cli.backup.opened import OpenedBackup
from cli.backup.reconcile import Reconciled, reconcile
from cli.backup.restoring.copies import rebuild_copies
from cli.backup.restoring.databases import Restorer, require_known_schemas
from cli.backup.restoring.pg_restore import Dump, find_pg_restore
from cli.backup.restoring.target import Target, require_empty, running_target
from cli.error_messages import explain_database
from cli.errors import StackError
from cli.stack.data_directory import CONFIG_VARIABLE, DataDir
from cli.stack.files.private_file import write_private
from cli.stack.recovery.unfinished_restore import UnfinishedRestore, finish
from cli.stack.requirements.code_folder import choose_code_folder
from cli.stack.requirements.free_space import require_free_space
from cli.stack.stack_record import StackRecord
from pipeline.catalog.migrate import upgrade_all
from pipeline.runtime.databases import Databases
from tasks.redis_state import catalogue_generation

MOST_JOBS: Final = 8

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The options of a restore.

    Attributes:
        backup: the backup.
        data: the new data directory.
        config: the file with the settings of the restored service; None for the one that
            `acoustid up` would use.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.
    """

    backup: OpenedBackup
    data: DataDir
    config: Path | None = None
    postgres_bin: Path | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A complete restore.

    Attributes:
        reconciled: what the databases said differently.
        fingerprints: number of fingerprints in index and store.
        configuration: the file with the options of the backup; None if it had none.
    """

    reconciled: Reconciled
    fingerprints: int
    configuration: Path | None


def restore_backup(options: RestoreOptions, report: Report) -> Restored:
    """Restore a backup. If it is interrupted, the next call goes on.

    Args:
        options: the options.
        report: called with one line of text at a time.

    Raises:
        StackError: the backup cannot be restored there; nothing was changed then, or the next call
            goes on.
        BackupDamagedError, OSError: the backup cannot be read.
    """
    data, manifest = options.data, options.backup.manifest
    require_known_schemas(manifest)
    _require_outside(options)
    program = find_pg_restore(manifest, options.postgres_bin)
    identity = hashlib.sha256(manifest.to_json().encode()).hexdigest()
    unfinished = require_empty(data, identity)
    require_free_space(data.root, report, exists=False)
    if (holder := data.lock_holder()) is not None:
        raise StackError(f"process {holder} uses {data.root}: wait for its end")
    data.create()
    with data.lock():
        unfinished = require_empty(data, identity)
        if unfinished is None:
            unfinished = UnfinishedRestore(identity, str(options.backup.path.resolve()))
            unfinished.save(data)
        else:
            report("going on with an interrupted restore")
        _take_over_secrets(options)
        dumps = {each.file: Dump(program, options.backup, each.file) for each in manifest.dumps}
        environ = {**os.environ}
        if options.config is not None:
            environ[CONFIG_VARIABLE] = str(options.config)
        with running_target(data, environ, options.postgres_bin, report) as target:
            restorer = Restorer(data, target.settings, options.backup, _jobs())
            restorer.restore(unfinished, dumps)
            reconciled, count = _complete(target, data, report)
        configuration = _take_over_configuration(options)
        finish(data)
    return Restored(reconciled, count, configuration)


def _require_outside(options: RestoreOptions) -> None:
    """Refuse a data directory in the folder of the backup, which would be none afterwards."""
    data, backup = options.data.root.resolve(), options.backup.path.resolve()
    if data.is_relative_to(backup):
        raise StackError(f"{data} is in the backup {backup}: give a new directory elsewhere")


def _jobs() -> int:
    return min(MOST_JOBS, os.cpu_count() or 1)


def _complete(target: Target, data: DataDir, report: Report) -> tuple[Reconciled, int]:
    """Make a service of restored databases; return what was changed, and the fingerprints."""
    settings = target.settings
    try:
        upgrade_all(settings)
        databases = Databases(settings, component="restore")
        try:
            reconciled = reconcile(databases)
            choose_code_folder(data.machine_code, report)
            count = rebuild_copies(settings, databases)
        finally:
            databases.dispose()
    except sa.exc.DBAPIError as error:
        raise StackError(
            f"the restored databases cannot be used: {explain_database(error)}"
        ) from error
    if target.has_redis:
        try:
            catalogue_generation.renew_at(settings.redis)
        except RedisError as error:
            raise StackError(
                "the configured Redis cannot be reached, and may have answers of an earlier "
                f"catalogue: {error}"
            ) from error
    return reconciled, count


def _take_over_secrets(options: RestoreOptions) -> None:
    """Write the record of the new stack, with the secrets of the backup that outlive a stack.

    Ports, passwords and the token are new: the original may still exist.
    """
    if StackRecord.read(options.data) is not None or STACK not in options.backup.manifest.files:
        return
    found = json.loads(options.backup.read(STACK))
    new = StackRecord()
    record = replace(
        new,
        cluster_secret=str(found.get("cluster_secret") or new.cluster_secret),
        flower_password=str(found.get("flower_password") or new.flower_password),
    )
    record.save(options.data)


def _take_over_configuration(options: RestoreOptions) -> Path | None:
    """Write the options that the operator had set, for `acoustid up` with ``ACOUSTID_CONFIG``."""
    if CONFIGURATION not in options.backup.manifest.files:
        return None
    text = options.backup.read(CONFIGURATION).decode()
    write_private(options.data.restored_config, text)
    return options.data.restored_config
