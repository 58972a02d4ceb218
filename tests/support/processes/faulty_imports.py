"""The Celery application with submissions that harm their worker, and with short times.

A submission whose client version is the name of a `Fault` has this fault in the stage ``score``, in
the worker process that works on it. ``celery -A tests.support.processes.faulty_imports worker``
runs such a worker. No test imports this module, since it changes settings of its process.
"""

import errno
import os
import signal
import time
from contextlib import suppress

from celery.exceptions import SoftTimeLimitExceeded

from pipeline.catalog.ingest import submissions
from pipeline.imports import persist
from pipeline.index.interface import FingerprintIndex
from pipeline.messages import SubmissionBatch
from pipeline.runtime.databases import Databases
from tasks import submission
from tasks.celery import app
from tasks.outcomes.submission_task import SubmissionTask
from tests.support.catalogue.import_faults import Fault
from tests.support.processes import short_visibility

SOFT_LIMIT = 1.5
TIME_LIMIT = 2.0
LOCK_TIMEOUT = 0.3


def _do(fault: str, batch: SubmissionBatch) -> None:
    match fault:
        case Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Fault.KILL_ALL:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        case Fault.SLOW:
            time.sleep(60)
        case Fault.HANG:
            while True:
                with suppress(SoftTimeLimitExceeded):
                    time.sleep(60)
        case Fault.MEMORY if len(batch.submissions) > 1:
            raise MemoryError
        case Fault.DISK if submission.score.request.retries == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case Fault.ERROR:
            raise ValueError("a value of the submission")


_match = submission.match_submissions


def _match_faulty(
    batch: SubmissionBatch, index: FingerprintIndex, databases: Databases
) -> SubmissionBatch:
    with databases.engine("ingest").connect() as connection:
        found = submissions.load(connection, [each.id for each in batch.submissions])
    for each in found:
        _do(each.application_version or "", batch)
    return _match(batch, index, databases)


submission.match_submissions = _match_faulty
persist.LOCK_TIMEOUT = LOCK_TIMEOUT
SubmissionTask.pause_after_crash = 0.1
app.conf.task_soft_time_limit = SOFT_LIMIT
app.conf.task_time_limit = TIME_LIMIT

__all__ = ["app", "short_visibility"]
