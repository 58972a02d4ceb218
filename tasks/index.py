"""The task that applies the changelog to the index, after each import and every 5 seconds."""

from pipeline.following.open_index import IndexBusy
from pipeline.following.update_index import update_index
from tasks.celery import app
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

# A commit of the index takes less than a second, so a run stays below the time limit of tasks. The
# next run applies the rest.
_BATCHES = 10


@app.task(name="index.update", base=StageTask, ignore_result=True)
def update(position: int = 0) -> int:
    """Apply the changelog to the index and the fingerprint store.

    Args:
        position: the changelog position that the index should reach; 0 for the newest one.

    Returns:
        The position of the index. It may be lower than `position`.
    """
    current = worker_resources().index_reader.position()
    if 0 < position <= current:
        return current
    try:
        with (
            worker_resources().index_lease.borrow(current) as updater,
            worker_resources().store_writer() as store,
        ):
            return update_index(
                updater, worker_resources().databases, store=store, batches=_BATCHES
            )
    except IndexBusy:
        # The other writer (a worker or a rebuild) applies the whole changelog.
        return current
