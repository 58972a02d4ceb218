"""Ends submissions as failed, unless they are imported."""

from collections.abc import Sequence

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.fingerprint import imported_submissions
from pipeline.catalog.ingest import import_results, submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.imports.persist import LOCK_TIMEOUT
from pipeline.runtime.databases import Databases


def fail_unless_imported(databases: Databases, ids: Sequence[int], reason: str) -> int:
    """Set the state ``failed``, or ``imported`` if an import is committed; return the failed ones.

    The lock of the catalogue keeps an import of another process from being committed meanwhile.

    Args:
        databases: the catalogue.
        ids: the ids of submissions; those with a final state keep it.
        reason: shown to the submitter.

    Raises:
        sqlalchemy.exc.OperationalError: a database is unreachable, or another transaction holds the
            lock of the catalogue for longer than `LOCK_TIMEOUT`.
    """
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection, LOCK_TIMEOUT)
        done = imported_submissions.find(connection, ids)
        import_results.record(databases, done, connection)
        imported = {each.submission_id for each in done}
        rest = [each for each in ids if each not in imported]
        with databases.engine("ingest").begin() as ingest:
            endings = [Ending(rest, "failed", reason)]
            return submissions.finish(ingest, endings, announces=databases.announces)
