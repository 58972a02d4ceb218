"""Submissions with faults, workers for them, and the states that they reach."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from pipeline.catalog.ingest.tables import submission
from pipeline.settings.sections import Settings
from tasks import dispatch, queues
from tasks.redis_state import transient_failures
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.workers import running_worker, worker_roles

MODULE = "tests.support.processes.faulty_imports"


@contextmanager
def import_worker(
    config: Path, folder: Path, settings: Settings
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of imports and periodic tasks, in which submissions can have faults."""
    [chosen] = [role for role in worker_roles() if role.node == "submission"]
    others = {"tasks": MODULE, queues.SUBMISSION: f"{queues.SUBMISSION},{queues.MAINTENANCE}"}
    command = tuple(others.get(part, part) for part in chosen.command)
    role = replace(chosen, command=command)
    with running_worker(role, config, folder / "submission.log", settings) as process:
        yield process


class Imports:
    """Submissions that are sent to a worker in one chain."""

    def __init__(self, importer: Importer, client: redis.Redis) -> None:
        self._importer = importer
        self._redis = client
        client.delete(transient_failures.KEY, *queues.NAMES)

    def send(self, *faults: str) -> list[int]:
        """Send one submission for each fault; an empty one is intact. Return their ids."""
        receipts = [
            self._importer.receipt(fingerprint(seed), 100 + 20 * seed, application_version=fault)
            for seed, fault in enumerate(faults, 1)
        ]
        _, ids = self._importer.receive(receipts)
        dispatch.send_submissions(ids)
        return ids

    def rows(self, ids: list[int]) -> list[Any]:
        """Return state, reason, crashes and attempts of submissions, in the order of the ids."""
        columns = ("id", "state", "reason", "crashes", "attempts")
        statement = sa.select(*(submission.c[name] for name in columns)).order_by(submission.c.id)
        with self._importer.databases.engine("ingest").connect() as connection:
            found = {row.id: row for row in connection.execute(statement)}
        return [found[each] for each in ids]

    def final(self, ids: list[int]) -> list[Any]:
        """Wait until all submissions have a final state; return their rows."""

        def ask() -> list[Any] | None:
            rows = self.rows(ids)
            return None if any(row.state == "pending" for row in rows) else rows

        return eventually(ask)

    def states(self, ids: list[int]) -> list[str]:
        """Wait until all submissions have a final state; return the states."""
        return [row.state for row in self.final(ids)]

    def transient_failures(self) -> dict[str, int]:
        """Return the number of transient failures by their cause."""
        return {each.cause: each.count for each in transient_failures.read(self._redis)}
