"""The place of a restore: a new data directory with its PostgreSQL, or external servers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import UserConfig, write_effective
from cli.stack.identity.claim import claim_directory, require_own_configuration
from cli.stack.processes.stopping import stop_process
from cli.stack.recovery.unfinished_restore import UnfinishedRestore, read_unfinished
from cli.stack.servers import ports, postgres_directory
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.embedded_server import start_server
from cli.stack.servers.libpq_variables import remove_libpq_variables
from cli.stack.servers.postgres import PostgresServer
from cli.stack.stack_record import StackRecord
from pipeline.settings.sections import Settings

Report = Callable[[str], None]


def require_empty(data: DataDir, backup: str) -> UnfinishedRestore | None:
    """Check that a data directory is absent or empty, or has an unfinished restore of a backup.

    Args:
        data: the data directory.
        backup: the identity of the backup.

    Returns:
        The unfinished restore, which goes on; None for a new one.

    Raises:
        StackError: the directory has other files, or the restore is that of another backup.
    """
    found = read_unfinished(data)
    if found is not None and found.backup != backup:
        raise StackError(
            f"{data.root} has an unfinished restore of another backup, {found.source}: give that "
            f"backup, or delete {data.root}"
        )
    if found is None and (names := _other_files(data)):
        raise StackError(
            f"{data.root} is not empty (it has {names[0]}): a backup is restored into a new "
            "directory only. Give another --data-dir, or move this directory away"
        )
    return found


def _other_files(data: DataDir) -> list[str]:
    """Return the names of the files besides those that a restore creates before its mark."""
    try:
        found = sorted(data.root.iterdir())
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise StackError(f"{data.root} is a file: give a new directory") from error
    except OSError as error:
        raise StackError(f"{data.root} cannot be read: {error.strerror}") from error
    return [each.name for each in found if not _is_own(data, each)]


def _is_own(data: DataDir, path: Path) -> bool:
    if path == data.lock_file or path.name.startswith(f".{data.restore.name}-"):
        return True
    return path.name == "logs" and path.is_dir() and not any(path.iterdir())


@dataclass(frozen=True, slots=True)
class Target:
    """The place of a restore.

    Attributes:
        settings: the effective settings of the stack.
        has_redis: whether its Redis is a server of the configuration, which may have answers of an
            earlier catalogue.
    """

    settings: Settings
    has_redis: bool


@contextmanager
def running_target(
    data: DataDir, environ: Mapping[str, str], postgres_bin: Path | None, report: Report
) -> Iterator[Target]:
    """Make the files of a stack in a data directory, and run its PostgreSQL during the block.

    PostgreSQL is not started if the configuration has hosts for all databases.

    Args:
        data: the data directory, locked by this process.
        environ: the environment of `acoustid up`, which may name a configuration.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.
        report: called with one line of text at a time.

    Raises:
        StackError: the configuration cannot be used, or PostgreSQL cannot be started.
    """
    user = UserConfig.read(environ, effective=data.config)
    require_own_configuration(user.path)
    if user.embedded_databases:
        remove_libpq_variables()
    record = claim_directory(data, report, adopt=False)
    with ExitStack() as stack:
        if user.embedded_databases:
            server = _postgres(data, record, postgres_bin)
            server.report = report
            stack.callback(stop_process, start_server(server), server.escalation)
            record = record.with_ports(postgres=server.port, valkey=record.valkey_port)
        if user.embeds_redis:  # it is not started, but the settings need its port
            port = ports.prefer(record.valkey_port)
            record = record.with_ports(postgres=record.postgres_port, valkey=port)
        record.save(data)
        yield Target(write_effective(data, user, record), has_redis=not user.embeds_redis)


def _postgres(data: DataDir, record: StackRecord, postgres_bin: Path | None) -> PostgresServer:
    return PostgresServer(
        postgres_directory.choose(data.root, record.token),
        find_postgres(postgres_bin),
        port=ports.prefer(record.postgres_port),
        password=record.postgres_password,
        log=data.log(PostgresServer.role),
    )
