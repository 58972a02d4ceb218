"""A client of the application in this process, with a worker that answers its lookups."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import redis
import sqlalchemy as sa
from falcon import testing

from api.app import create_app
from api.front_end import Dispatch, create_front_end
from pipeline.catalog.app import accounts, tables
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.settings.sections import Settings
from tasks.redis_state import background_records
from tests.support.clients.lookup_worker import Answering
from tests.support.polling import eventually

FORM: Final = "application/x-www-form-urlencoded"
WORD: Final = "AQAAAQcZ"  # the fingerprint of the one word 0x80000000
GID: Final = "0a1b2c3d-0000-4000-8000-000000000001"
MBID: Final = "5d1f0c5e-1111-4aaa-8aaa-000000000001"


class _Client(testing.TestClient):
    """A client that sends its address."""

    def simulate_request(self, *args: Any, **kwargs: Any) -> testing.Result:
        """Send a request from this machine."""
        kwargs.setdefault("remote_addr", "127.0.0.1")
        return super().simulate_request(*args, **kwargs)


class Web:
    """A front end, with the keys of an application and of a user.

    Attributes:
        http: sends any request.
        worker: answers the lookups.
        excerpt_worker: answers the lookups of excerpts.
        submitted: the ids of the submissions that were sent to the workers, by chain.
        background: the background lookups that were sent to the workers, by task id.
        send_lookups: receives the batches of lookups.
        send_excerpts: receives the batches of lookups of excerpts.
        send_submissions: receives the ids of submissions.
    """

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self.settings = settings
        self.redis = client
        self.worker = Answering(client)
        self.excerpt_worker = Answering(client)
        self.submitted: list[list[int]] = []
        self.background: dict[str, BackgroundLookup] = {}
        self.send_lookups: Callable[[LookupBatch], None] = self.worker.send
        self.send_excerpts: Callable[[LookupBatch], None] = self.excerpt_worker.send
        self.send_submissions: Callable[[Sequence[int]], None] = self.receive
        self.front_end = create_front_end(
            settings,
            Dispatch(
                self._forward_lookups,
                self._forward_excerpts,
                self.background.__setitem__,
                self._forward_ids,
            ),
        )
        self.app = create_app(self.front_end)
        self.http = _Client(self.app)
        with self.front_end.databases.engine("app").begin() as connection:
            self.user = ensure_demo(connection).user_key
            made = accounts.create_application(connection, "tests")
        self.application, self.application_id = made.key, made.id

    def make_admin(self) -> None:
        """Let the user be an admin."""
        wanted = tables.account.c.apikey == self.user
        with self.front_end.databases.engine("app").begin() as connection:
            connection.execute(sa.update(tables.account).where(wanted).values(is_admin=True))

    def receive(self, ids: Sequence[int]) -> None:
        """Receive submissions instead of `tasks.dispatch.send_submissions`."""
        self.submitted.append(list(ids))

    def _forward_lookups(self, batch: LookupBatch) -> None:
        self.send_lookups(batch)

    def _forward_excerpts(self, batch: LookupBatch) -> None:
        self.send_excerpts(batch)

    def _forward_ids(self, ids: Sequence[int]) -> None:
        self.send_submissions(ids)

    def get(self, path: str, **parameters: Any) -> testing.Result:
        """Send a GET request. A list becomes one parameter for each item."""
        return self.http.simulate_get(path, query_string=urlencode(parameters, doseq=True))

    def post(self, path: str, **form: Any) -> testing.Result:
        """Send a form."""
        body = urlencode(form, doseq=True)
        return self.http.simulate_post(path, body=body, content_type=FORM)

    def lookup(self, **form: Any) -> testing.Result:
        """Look up with the application's key."""
        return self.post("/v2/lookup", **{"client": self.application, **form})

    def submit(self, **form: Any) -> testing.Result:
        """Submit with both keys."""
        return self.post("/v2/submit", **{"client": self.application, "user": self.user, **form})

    def finish_lookup(self, task_id: str) -> None:
        """Answer a background lookup, like the workers."""
        background = self.background[task_id]
        answers = [self.worker.answer(lookup) for lookup in background.lookups]
        assert background_records.begin(self.redis, task_id)
        assert background_records.finish(self.redis, task_id, answers, {})

    def receipts(self) -> list[dict[str, Any]]:
        """Return the receipts of the application, by id."""
        table = ingest_tables.submission
        wanted = table.c.application_id == self.application_id
        query = sa.select(table).where(wanted).order_by(table.c.id)
        with self.front_end.databases.engine("ingest").connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def handed_on(self) -> list[int]:
        """Return the ids of the submissions sent to the workers, once all receipts were sent."""
        received = {row["id"] for row in self.receipts()}
        eventually(lambda: received == {number for ids in self.submitted for number in ids})
        return [number for ids in self.submitted for number in ids]

    def finish(self, submission_id: int, state: str, reason: str | None = None) -> None:
        """Set the final state of a submission, like the workers."""
        table = ingest_tables.submission
        with self.front_end.databases.engine("ingest").begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == submission_id)
                .values(state=state, reason=reason, handled_at=sa.func.now())
            )

    def close(self) -> None:
        """Close the front end."""
        self.front_end.close()


def error_of(result: testing.Result) -> dict[str, Any]:
    """Return the error of a JSON reply; fail if the reply is not an error."""
    body = json.loads(result.text)
    assert set(body) == {"status", "error"}
    assert body["status"] == "error"
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message"}
    assert isinstance(error["code"], int)
    assert isinstance(error["message"], str)
    return error


def code_of(result: testing.Result) -> int:
    """Return the code of an error."""
    code: int = error_of(result)["code"]
    return code
