"""The index follows the changelog: nudged by every import and, for what was missed, by a beat."""

from pipeline.following.open_index import IndexBusy
from pipeline.following.update_index import update_index
from tasks.celery import app
from tasks.worker import services

# A commit of the index takes well under a second, so this stays below the time limit; what is
# left waits for the next nudge.
_BATCHES = 10


@app.task(name="index.update", ignore_result=True)
def update(position: int = 0) -> int:
    """Bring the index at least to a changelog position; return the position it is at.

    Args:
        position: where the index should be; 0 for wherever the changelog is.
    """
    here = services().index.position()
    if 0 < position <= here:
        return here
    try:
        with (
            services().index_lease.borrow(here) as updater,
            services().store_writer() as store,
        ):
            return update_index(updater, services().databases, store=store, batches=_BATCHES)
    except IndexBusy:
        # Whoever writes (another worker, a rebuild) reads the changelog to its end.
        return here
