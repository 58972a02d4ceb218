"""Loads the sample catalogue. The recordings are imported like all other submissions."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from kombu.exceptions import OperationalError

from cli.errors import StackError
from cli.sample.recordings import MUSICBRAINZ, SampleRecording, sample_recordings
from pipeline.catalog.app.accounts import create_account, create_application
from pipeline.catalog.app.tables import account, application
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.ingest.submission_status import TaskStatus, task_status
from pipeline.catalog.ingest.submissions import insert_receipts
from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz.dump.load import load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.fingerprint.codec import decode
from pipeline.following.open_index import OpenIndex, open_index
from pipeline.index.errors import IndexUnavailable, SearchTimeout
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.submission_fields import Receipt

Progress = Callable[[str], None]

NAME: Final = "Sample catalogue"
TASK_ID: Final = UUID("5a3b1c86-3c9c-5d0f-8a54-6b0de1f0c001")
"""Task id of the sample's submissions. If it exists, they have been submitted before."""

TIMEOUT: Final = 120.0
POLL_INTERVAL: Final = 0.2  # seconds

_OWNER: Final = (
    sa.select(account.c.id.label("account_id"), application.c.id.label("application_id"))
    .join_from(application, account, application.c.account_id == account.c.id)
    .where(application.c.name == NAME, account.c.name == NAME)
    .where(application.c.active, account.c.active)
    .order_by(application.c.id)
    .limit(1)
)
"""The first application of this name with an account of this name."""

# Key of an advisory lock in the ingest database. It excludes a second load of the sample.
_LOCK: Final = 7723016524936704020


def load_sample(settings: Settings, progress: Progress, *, timeout: float = TIMEOUT) -> None:
    """Load the sample catalogue, unless it is loaded already.

    The MusicBrainz rows are loaded into an empty database only. The recordings are submitted, and
    running workers import them. Returns when a lookup finds them.

    Args:
        settings: the settings of the running stack, equal to those of ``ACOUSTID_CONFIG``.
        progress: called with one line for each step.
        timeout: seconds to wait for the workers.

    Raises:
        StackError: the workers do not finish in time, or reject a recording.
    """
    deadline = time.monotonic() + timeout
    databases = Databases(settings, component="sample")
    try:
        _load_musicbrainz(databases, progress)
        imported = _imported(databases)
        if imported is None:
            submitted = _insert_missing(databases)
            if submitted:
                progress(f"submitting {len(submitted)} sample recordings")
                _dispatch(submitted, progress)
            imported = _wait_for_import(databases, deadline)
        _wait_for_index(settings, databases, imported, deadline)
    finally:
        databases.dispose()


def _load_musicbrainz(databases: Databases, progress: Progress) -> None:
    engine = databases.engine("musicbrainz")
    with engine.connect() as connection:
        is_empty = metadata.is_empty(connection)
    if is_empty:
        progress("loading the sample of MusicBrainz")
        load_dump(engine, open_dump(MUSICBRAINZ), lambda _table, _size: None)


def _imported(databases: Databases) -> datetime | None:
    """Return the time of the last import; None while an import is missing.

    Raises:
        StackError: a recording was rejected.
    """
    status = task_status(databases, TASK_ID)
    if status is None or status.finished is None:
        return None
    _check(status)
    return status.finished


def _insert_missing(databases: Databases) -> list[int]:
    """Write the receipts, unless they exist. Return the new ids."""
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        if task_status(databases, TASK_ID) is not None:
            return []
        account_id, application_id = _create_owner(databases)
        receipts = [_receipt(each, account_id, application_id) for each in sample_recordings()]
        return insert_receipts(connection, receipts, TASK_ID)


def _create_owner(databases: Databases) -> tuple[int, int]:
    """Return the ids of the account and the application; create them if they are missing.

    They exist if an earlier load was killed before it wrote the receipts.
    """
    with databases.engine("app").begin() as connection:
        existing = connection.execute(_OWNER).first()
        if existing is not None:
            return existing.account_id, existing.application_id
        owner = create_account(connection, NAME)
        created = create_application(connection, NAME, account_id=owner.id)
    return owner.id, created.id


def _receipt(recording: SampleRecording, account_id: int, application_id: int) -> Receipt:
    _, words = decode(recording.fingerprint)
    text = {"track": recording.title, "artist": recording.artist, "album": recording.album}
    return Receipt(
        account_id=account_id,
        application_id=application_id,
        application_version=None,
        words=words,
        length=int(recording.duration),
        bitrate=recording.bitrate,
        format=recording.format,
        meta={name: value for name, value in text.items() if value},
        mbid=UUID(recording.mbid),
    )


def _dispatch(submission_ids: list[int], progress: Progress) -> None:
    from tasks import dispatch  # noqa: PLC0415 - it reads the configuration

    try:
        dispatch.send_submissions(submission_ids)
    except OperationalError:
        progress("the broker is unreachable: the sweeper will submit the sample")


def _wait_for_import(databases: Databases, deadline: float) -> datetime:
    while (imported := _imported(databases)) is None:
        if time.monotonic() > deadline:
            raise StackError(
                "the sample recordings are not imported yet: check with `acoustid status` that the "
                "workers run; the import continues when they do"
            )
        time.sleep(POLL_INTERVAL)
    return imported


def _check(status: TaskStatus) -> None:
    refused = [each for each in status.submissions if each.state != "imported"]
    if refused:
        first = refused[0]
        raise StackError(
            f"{len(refused)} of {len(status.submissions)} sample recordings were not imported; "
            f"submission {first.id} is {first.state}: {first.reason}"
        )


def _wait_for_index(
    settings: Settings, databases: Databases, imported: datetime, deadline: float
) -> None:
    """Wait until the index contains everything that was imported until then."""
    with databases.engine("fingerprint").connect() as connection:
        wanted = newest_position(connection, until=imported)
    with open_index(settings.fingerprint_index) as index:
        while not _reaches(index, wanted):
            if time.monotonic() > deadline:
                raise StackError(
                    "the index is not up to date: check with `acoustid status` that the index "
                    "worker runs, and with `acoustid config check` where the index is"
                )
            time.sleep(POLL_INTERVAL)


def _reaches(index: OpenIndex, wanted: int) -> bool:
    try:
        return index.position() >= wanted
    except (IndexUnavailable, SearchTimeout):
        return False  # the index server may still be starting
