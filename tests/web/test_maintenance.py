"""During maintenance, requests that write to a database get a 503; all others are served."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

from api.access.maintenance import CACHED, RETRY_AFTER, MaintenanceMode
from api.http.errors import ServiceUnavailableError
from api.routes import ROUTES, V1_ROUTES
from pipeline.catalog.app.maintenance import (
    begin_maintenance,
    end_maintenance,
    find_maintenance,
)
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.clients.internal_requests import SECRET, cluster
from tests.support.clients.web_client import MBID, WORD, Web, error_of
from tests.support.clock import Clock

SUBMISSION = {"fingerprint": WORD, "duration": 241, "length": 241, "mbid": MBID}

REFUSED = (
    "/v2/submit",
    "/submit",
    "/v2/user/create_anonymous",
    "/v2/user/create_musicbrainz",
    "/v2/edit/unlink_mbid",
    "/v2/edit/link_mbid",
    "/v2/edit/remove_fingerprint",
    "/v2/edit/remove_text",
    "/v2/edit/split_track",
    "/v2/edit/undo",
    "/v2/internal/create_account",
    "/v2/internal/create_application",
    "/v2/internal/update_application_status",
)
"""The paths that store something for a client."""

SERVED = (
    "/v2/lookup",
    "/lookup",
    "/v2/submission_status",
    "/v2/task/{task_id}",
    "/v2/fingerprint",
    "/v2/track/list_by_mbid",
    "/v2/track/list_by_puid",
    "/v2/user/lookup",
    # Statistics, like those that the workers write.
    "/v2/internal/update_lookup_stats",
    "/v2/internal/update_user_agent_stats",
    "/v2/internal/lookup_stats",
    "/v2/internal/check_application",
)


@pytest.fixture
def mode(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Return a function that turns maintenance on with a reason; it is off after the test."""
    databases = Databases(settings, component="tests")

    def turn_on(reason: str) -> None:
        with databases.engine("app").begin() as connection:
            begin_maintenance(connection, reason)

    with turned_off(databases):
        yield turn_on
    databases.dispose()


@contextmanager
def turned_off(databases: Databases) -> Iterator[None]:
    try:
        yield
    finally:
        with databases.engine("app").begin() as connection:
            end_maintenance(connection)


def send(web: Web, path: str) -> Any:
    """Send a request with valid keys."""
    keys = {"client": web.application, "user": web.user, "secret": SECRET}
    return web.post(path, **keys, **SUBMISSION)


def code_and_message(result: Any) -> tuple[int, str]:
    """Return the code and the message of an error in JSON or XML."""
    if result.headers["Content-Type"].startswith("text/xml"):
        root = ET.fromstring(result.content)  # noqa: S314 - our own
        return int(root.findtext("error/code") or 0), root.findtext("error/message") or ""
    error = error_of(result)
    return error["code"], error["message"]


def test_writes_are_refused(make_web, mode) -> None:
    mode("a new disk")
    web = make_web(cluster=cluster())
    web.make_admin()
    for path in REFUSED:
        result = send(web, path)
        assert (path, result.status_code) == (path, 503)
        assert result.headers["Retry-After"] == str(RETRY_AFTER)
        code, message = code_and_message(result)
        assert code == 13
        assert message == (
            "service currently unavailable, try again later: the server is under maintenance and "
            "refuses submissions, edits and new accounts (a new disk); send the request again in 5 "
            "minutes"
        )
    assert web.receipts() == []


def test_other_requests_are_served(make_web, mode) -> None:
    mode("")
    web = make_web(cluster=cluster())
    for path in SERVED:
        assert (path, send(web, path).status_code) != (path, 503)


def test_a_lookup_is_answered(web, mode) -> None:
    mode("")
    result = web.lookup(fingerprint=WORD, duration=241)
    assert result.json["results"]


def test_every_path_is_refused_or_served() -> None:
    """A new path must be listed above: paths that write for clients call `refuse`."""
    assert {*REFUSED, *SERVED} == {*ROUTES, *V1_ROUTES}


def test_a_wrong_key_is_still_an_error(web, mode) -> None:
    mode("")
    assert web.submit(client="wrong", **SUBMISSION).status_code == 401


def test_a_new_front_end_follows_the_stored_state(make_web, mode, databases) -> None:
    mode("")
    assert make_web().submit(**SUBMISSION).status_code == 503
    assert make_web().submit(**SUBMISSION).status_code == 503
    with databases.engine("app").begin() as connection:
        end_maintenance(connection)
    assert make_web().submit(**SUBMISSION).status_code == 200


def test_the_state_is_read_once_in_two_seconds(databases) -> None:
    clock = Clock()
    queries: list[str] = []
    sa.event.listen(
        databases.engine("app"),
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: queries.append(statement),
    )
    mode = MaintenanceMode(databases, clock)
    for _ in range(50):
        mode.refuse()
    assert len(queries) == 1
    with databases.engine("app").begin() as connection:
        begin_maintenance(connection)
    clock.now += CACHED - 0.01
    mode.refuse()
    clock.now += 0.01
    with pytest.raises(ServiceUnavailableError):
        mode.refuse()
    with databases.engine("app").begin() as connection:
        end_maintenance(connection)
    clock.now += CACHED
    mode.refuse()


def test_beginning_twice_keeps_the_time_and_the_reason(databases) -> None:
    with databases.engine("app").begin() as connection:
        begin_maintenance(connection, "a")
    with databases.engine("app").begin() as connection:
        first = find_maintenance(connection)
        begin_maintenance(connection)
        assert find_maintenance(connection) == first
        begin_maintenance(connection, "b")
        second = find_maintenance(connection)
        end_maintenance(connection)
        end_maintenance(connection)
        assert find_maintenance(connection) is None
    assert first is not None
    assert second is not None
    assert (first.reason, second.reason, second.since) == ("a", "b", first.since)
