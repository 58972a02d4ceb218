"""Turns every error of a command into one message. No other module does this for all commands.

Most classes are looked up in `sys.modules`: an error of a class cannot have been raised before the
module of the class was imported. So this module, which each command loads, imports next to nothing.
"""

import os
import re
import select
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

import click

from cli.errors import Interrupted, StackError

TRACEBACK_OPTION: Final = "--traceback"
"""The option of `acoustid` that prints the traceback of an error."""

VARIABLE: Final = "ACOUSTID_TRACEBACK"
"""The variable that does the same."""

EXPLAINED: Final = (
    ("index_server.snapshot_stream", "SnapshotDamagedError"),
    ("index_server.state", "StateDamagedError"),
    ("pipeline.bulk_import.files.errors", "DataImportError"),
    ("pipeline.bulk_import.rejects", "BadLineError"),
    ("pipeline.catalog.edits.errors", "EditRefusedError"),
    ("pipeline.catalog.fingerprint.changelog", "ForeignIndexError"),
    ("pipeline.catalog.fingerprint.track_merge", "MergeRefusedError"),
    ("pipeline.catalog.musicbrainz.dump.errors", "DumpError"),
    ("pipeline.catalog.musicbrainz.replication.errors", "ReplicationError"),
    ("pipeline.catalog.schema_version", "NewerSchemaError"),
    ("pipeline.data_files.manifest", "ManifestError"),
    ("pipeline.export.errors", "ExportRefusedError"),
    ("pipeline.fingerprint_store.errors", "FingerprintStoreError"),
    ("pipeline.following.all_copies", "CopyLockedError"),
    ("pipeline.following.store_copy", "OtherDatabaseError"),
    ("pipeline.index.errors", "FingerprintIndexError"),
    ("pipeline.settings.load", "ConfigError"),
    ("pipeline.storage.errors", "StorageError"),
    ("psutil", "Error"),
    ("tasks.flower.password_file", "PasswordFileError"),
)
"""Module and name of each class of errors whose text is the message."""

_NOT_MIGRATED: Final = frozenset({"3D000", "3F000", "42703", "42883", "42P01"})
"""SQLSTATE of a missing database, schema, column, function, table."""

_NO_NUMBER: Final = re.compile(r"(.* is not a )valid (integer|float)(?: range)?\.", re.DOTALL)
"""click's message about a text that is no number; "range" is its name of a type."""

_NUMBERS: Final = {"integer": "whole number", "float": "number"}

_HINT: Final = "Is the server running on that host and accepting TCP/IP connections?"


@contextmanager
def explained_errors(*, shows_traceback: bool) -> Iterator[None]:
    """Convert each error of the block to one that click prints as a message.

    Args:
        shows_traceback: whether to print the traceback of each error too.

    Raises:
        StackError: the block failed.
        Interrupted: Ctrl-C ended the block.
        BrokenPipeError: the reader of standard output has ended. click is silent then.
    """
    try:
        yield
    except click.exceptions.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if shows_traceback:
            import traceback  # noqa: PLC0415 - only on request

            traceback.print_exc()
        shown = _shown(error)
        if shown is error:
            raise
        raise shown from error


def _shown(error: BaseException) -> BaseException:
    """Return the error that click prints, which may be the same."""
    match error:
        case click.BadParameter():
            return _in_plain_words(error)
        case click.ClickException():
            return error
        case click.Abort() if isinstance(error.__context__, EOFError):
            return StackError("standard input has ended before the question was answered")
        case click.Abort() | KeyboardInterrupt():
            return Interrupted()
        case BrokenPipeError() if _is_output_closed():
            return error
    return StackError(explain(error) or _unexpected(error))


def _in_plain_words(error: click.BadParameter) -> click.BadParameter:
    """Return an error that says "number" in place of click's name of a type."""
    found = _NO_NUMBER.fullmatch(error.message)
    if found is None:
        return error
    text = f"{found[1]}{_NUMBERS[found[2]]}"
    return click.BadParameter(text, error.ctx, error.param, error.param_hint)


def explain(error: BaseException) -> str | None:
    """Return the message of an error, without secrets; None for a defect of this program.

    An error that was raised from another one has the message of that one, if it has none itself.
    """
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:  # an error may be its own cause
        seen.add(id(each))
        for explain_one in (_explain_server, _explain_known, _explain_input, _explain_system):
            text = explain_one(each)
            if text is not None:
                return text
        each = each.__cause__
    return None


def explain_database(error: BaseException) -> str | None:
    """Return the message of an error of PostgreSQL; None for another error.

    Args:
        error: an error of SQLAlchemy or of psycopg2.
    """
    if _is(error, "sqlalchemy.exc", "TimeoutError"):
        return "no connection was free in time"
    original = _original(error)
    if not _is(original, "psycopg2", "Error"):
        return None
    text = " ".join(str(original).partition("\nLINE ")[0].replace(_HINT, "").split())
    return text.partition(" DETAIL: ")[0] or type(original).__name__


def needs_migration(error: BaseException) -> bool:
    """Return whether PostgreSQL reports a missing database, table or column."""
    original = _original(error)
    is_missing = 'database "' in str(original) and "does not exist" in str(original)
    return is_missing or getattr(original, "pgcode", None) in _NOT_MIGRATED


def _original(error: BaseException) -> object:
    """Return the error of psycopg2 in an error of SQLAlchemy; another error itself."""
    return error.orig if _is(error, "sqlalchemy.exc", "DBAPIError") else error  # type: ignore[attr-defined]


def _explain_server(error: BaseException) -> str | None:
    if _is(error, "nats.errors", "Error"):
        from nats_bridge.link.link_errors import explain_link  # noqa: PLC0415 - slow

        return f"NATS: {explain_link(error)}"
    if not sys.modules.keys() & {"redis", "sqlalchemy"}:
        return None
    found = explain_database(error)
    if found is not None:
        advice = ": run `acoustid migrate`" if needs_migration(error) else ""
        return f"PostgreSQL: {found}{advice}"
    from pipeline.runtime.links.connection_errors import (  # noqa: PLC0415 - the import is slow
        explain_unreachable,
    )

    unreachable = explain_unreachable(error)
    if unreachable is not None:
        return unreachable
    return f"Redis: {error}" if _is(error, "redis", "RedisError") else None


def _explain_known(error: BaseException) -> str | None:
    is_known = any(_is(error, module, name) for module, name in EXPLAINED)
    return str(error) if is_known else None


def _explain_input(error: BaseException) -> str | None:
    match error:
        case UnicodeDecodeError() | UnicodeEncodeError():
            return f"a text is not valid {error.encoding.upper()}: {error.reason}"
        case UnicodeError():
            return f"a text or a name is not valid: {error}"
        case ValueError() if _is(error, "json", "JSONDecodeError"):
            return f"not valid JSON: {error}"
        case EOFError() | zlib.error():
            return f"a file is cut or damaged: {error}"
        case RecursionError():
            return "the input is nested too deeply"
    return None


def _explain_system(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return _explain_os_error(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if _is(error, "http.client", "HTTPException"):
        return f"HTTP failed: {_text_of(error)}"
    # Its text is that of its command, which may be long, and how it ended.
    return _text_of(error) if _is(error, "subprocess", "SubprocessError") else None


def _explain_os_error(error: OSError) -> str:
    # An error of urllib has a reason.
    reason = error.strerror or _text_of(getattr(error, "reason", error))
    names = [
        os.fsdecode(name)
        for name in (error.filename, error.filename2)
        if isinstance(name, str | bytes | os.PathLike)
    ]
    return f"{' and '.join(names)}: {reason}" if names else reason


def _unexpected(error: BaseException) -> str:
    """Return a message with the type and the place of an error, without its text.

    The text may contain a secret.
    """
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return (
        f"unexpected {name}{_place(error.__traceback__)}: this is a defect of this program. "
        f"`acoustid {TRACEBACK_OPTION} COMMAND ...` or {VARIABLE}=1 shows the traceback"
    )


def _place(trace: TracebackType | None) -> str:
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _text_of(reason: object) -> str:
    return str(reason) or type(reason).__name__


def _is(error: object, module: str, name: str) -> bool:
    """Return whether an object has a class of a module, which is not imported for that."""
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(error, found)


def _is_output_closed() -> bool:
    """Return whether the reader of standard output has ended."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # it is no file
        return False
    poll = select.poll()
    poll.register(output, 0)
    return bool(poll.poll(0))
