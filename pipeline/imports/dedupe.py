"""The second stage of an import: drops imported submissions and finds equal fingerprints."""

from pipeline.catalog.fingerprint import fingerprints, imported_submissions
from pipeline.catalog.ingest import import_results, submissions
from pipeline.messages import SubmissionBatch
from pipeline.runtime.databases import Databases


def dedupe_submissions(batch: SubmissionBatch, databases: Databases) -> SubmissionBatch:
    """Drop submissions that are imported already; find stored fingerprints with the same words.

    A run that crashed between the commits of its two databases leaves imported submissions in the
    state ``pending``; they get their final state here. A submission with equal fingerprints is not
    searched for in the index.
    """
    with databases.engine("fingerprint").connect() as connection:
        ids = [candidate.id for candidate in batch.submissions]
        done = imported_submissions.find(connection, ids)
    if done:
        import_results.record(databases, done)
        finished = {imported.submission_id for imported in done}
        batch.submissions = [c for c in batch.submissions if c.id not in finished]
    if batch.submissions:
        _find_equal(batch, databases)
    return batch


def _find_equal(batch: SubmissionBatch, databases: Databases) -> None:
    with databases.engine("ingest").connect() as connection:
        gids = submissions.pending_gids(
            connection, [candidate.id for candidate in batch.submissions]
        )
    # A message that is delivered twice may have submissions with a final state.
    batch.submissions = [candidate for candidate in batch.submissions if candidate.id in gids]
    with databases.engine("fingerprint").connect() as connection:
        equal = fingerprints.equal_fingerprints(connection, gids.values())
    for candidate in batch.submissions:
        candidate.twins = equal.get(gids[candidate.id], [])
