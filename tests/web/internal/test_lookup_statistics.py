"""``/v2/internal/*_stats``: statistics are updated and returned."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.app import accounts
from pipeline.catalog.app.tables import stats_lookups, stats_user_agents
from tests.support.clients.internal_requests import XML, call, cluster
from tests.support.clients.web_client import code_of, error_of

OK = '{"status": "ok"}'
LOOKUPS = {"date": "2026-02-28", "hour": 7, "type": "hit", "count": 3}
VISITS = {"date": "2026-02-28", "user_agent": "Player/1 (é; 2)", "ip": "2001:db8::1", "count": 3}


@pytest.fixture
def web(make_web):
    return make_web(cluster=cluster())


def rows(web, table, *names: str) -> list[tuple[object, ...]]:
    """Return columns of the application's rows, in their order."""
    columns = [table.c[name] for name in names]
    statement = sa.select(*columns).where(table.c.application_id == web.application_id)
    with web.front_end.databases.engine("app").connect() as connection:
        return [tuple(row) for row in connection.execute(statement.order_by(*columns))]


def add(web, **form: Any):
    fields = {"application_id": web.application_id, **LOOKUPS, **form}
    return call(web, "update_lookup_stats", **fields)


def test_lookups_are_added_by_hour(web) -> None:
    assert add(web).text == OK
    assert add(web, type="miss", count=2).text == OK
    assert add(web, count=10).text == OK
    assert add(web, hour=23, type="anything").text == OK
    assert add(web, hour=0, date="2026-03-01", format="xml").text == (
        f"{XML}<response><status>ok</status></response>"
    )
    names = ("date", "hour", "count_hits", "count_nohits")
    assert rows(web, stats_lookups, *names) == [
        (date(2026, 2, 28), 7, 13, 2),
        (date(2026, 2, 28), 23, 0, 3),
        (date(2026, 3, 1), 0, 3, 0),
    ]


def test_requests_are_added_by_day(web) -> None:
    visits = {"application_id": web.application_id, **VISITS}
    for more in ({}, {"count": 4}, {"user_agent": ""}, {"ip": "192.0.2.1"}):
        assert call(web, "update_user_agent_stats", **{**visits, **more}).text == OK
    del visits["user_agent"]
    assert call(web, "update_user_agent_stats", **visits).text == OK
    day = date(2026, 2, 28)
    assert rows(web, stats_user_agents, "date", "user_agent", "ip", "count") == [
        (day, "", "2001:db8::1", 6),
        (day, "Player/1 (é; 2)", "192.0.2.1", 3),
        (day, "Player/1 (é; 2)", "2001:db8::1", 7),
    ]


@pytest.mark.parametrize(
    ("name", "form"), [("update_lookup_stats", LOOKUPS), ("update_user_agent_stats", VISITS)]
)
@pytest.mark.parametrize("number", ["2147483647", "0", "-1", "9" * 40])
def test_an_unknown_application_is_refused(web, name, form, number) -> None:
    result = call(web, name, **form, application_id=number)
    assert result.status_code == 400
    assert error_of(result) == {"code": 17, "message": "unknown application"}


MISTAKES = [
    ("date", "", 2),
    ("date", "2026-02-30", 103),
    ("date", "20260228", 103),
    ("date", "2026-W09-6", 103),
    ("date", "\N{FULLWIDTH DIGIT TWO}026-02-28", 103),
    ("hour", "", 2),
    ("hour", "7.5", 2),
    ("hour", "24", 103),
    ("hour", "-1", 103),
    ("type", "", 2),
    ("count", "", 2),
    ("count", "x", 2),
    ("count", "0", 103),
    ("count", "-1", 103),
    ("count", "2147483648", 103),
    ("application_id", "", 2),
    ("application_id", "x", 2),
    ("ip", "", 2),
]


@pytest.mark.parametrize(
    ("name", "form"), [("update_lookup_stats", LOOKUPS), ("update_user_agent_stats", VISITS)]
)
def test_errors_name_the_parameter(web, name, form) -> None:
    whole = {"application_id": web.application_id, **form}
    tried = [mistake for mistake in MISTAKES if mistake[0] in whole]
    assert len(tried) >= 13
    for parameter, value, code in tried:
        result = call(web, name, **{**whole, parameter: value})
        assert (result.status_code, code_of(result)) == (400, code), (parameter, value)
        start = "missing required parameter" if code == 2 else "parameter"
        assert error_of(result)["message"].startswith(f'{start} "{parameter}"')
    assert rows(web, stats_lookups, "id") == rows(web, stats_user_agents, "id") == []


def test_lookups_are_returned_by_day(web) -> None:
    add(web, date="2026-01-31", hour=1, count=1)
    add(web, date="2026-01-31", hour=2, type="miss", count=2)
    add(web, date="2026-01-29", hour=2, count=4)
    asked = {"client": web.application, "from": "2026-01-29", "to": "2026-01-31"}
    assert call(web, "lookup_stats", **asked).text == (
        '{"stats": [{"count": 4, "count_hits": 4, "count_nohits": 0, "date": "2026-01-29"}, '
        '{"count": 3, "count_hits": 1, "count_nohits": 2, "date": "2026-01-31"}], "status": "ok"}'
    )
    assert call(web, "lookup_stats", **{**asked, "to": "2026-01-29"}, format="xml").text == (
        f"{XML}<response><stats><stat><count>4</count><count_hits>4</count_hits>"
        "<count_nohits>0</count_nohits><date>2026-01-29</date></stat></stats>"
        "<status>ok</status></response>"
    )


def days(web, **form: Any) -> list[str]:
    asked = {"client": web.application, **form}
    return [day["date"] for day in call(web, "lookup_stats", **asked).json["stats"]]


def ago(number: int) -> str:
    return (datetime.now(UTC).date() - timedelta(number)).isoformat()


def test_the_default_is_the_last_thirty_days_without_today(web) -> None:
    for number in (0, 1, 2, 30, 31):
        add(web, date=ago(number))
    assert days(web) == [ago(30), ago(2), ago(1)]
    assert days(web, days="x") == [ago(30), ago(2), ago(1)]
    assert days(web, days=1) == [ago(1)]
    assert days(web, days=31) == [ago(31), ago(30), ago(2), ago(1)]


def test_a_single_date(web) -> None:
    for number in (0, 1, 2, 30, 31, 60):
        add(web, date=ago(number))
    assert days(web, **{"from": ago(2)}) == [ago(2), ago(1)]
    assert days(web, **{"from": ago(2), "days": 1}) == [ago(2), ago(1)]
    assert days(web, to=ago(0)) == [ago(2), ago(1), ago(0)]
    assert days(web, to=ago(2), days=29) == [ago(30), ago(2)]
    assert days(web, to="0001-01-01") == []
    assert days(web, **{"from": "0001-01-01", "to": "9999-12-31"})[0] == ago(60)
    assert days(web, **{"from": ago(1), "to": ago(2)}) == []


def test_several_applications_are_summed(web) -> None:
    with web.front_end.databases.engine("app").begin() as connection:
        other = accounts.create_application(connection, "other")
    add(web, date=ago(1), count=1)
    add(web, application_id=other.id, date=ago(1), count=5)
    both = [web.application, other.key, web.application]
    (day,) = call(web, "lookup_stats", client=both).json["stats"]
    assert (day["count"], day["count_hits"]) == (6, 6)


@pytest.mark.parametrize(
    ("form", "status", "code", "text"),
    [
        ({"client": []}, 401, 2, 'missing required parameter "client"'),
        ({"client": ""}, 401, 2, 'missing required parameter "client"'),
        ({"client": "nobodys"}, 401, 4, "invalid API key"),
        ({"from": "yesterday"}, 400, 103, 'parameter "from" is not valid: a day as YYYY-MM-DD'),
        ({"to": "2026-13-01"}, 400, 103, 'parameter "to" is not valid'),
        ({"days": "0"}, 400, 103, 'parameter "days" is not valid: a whole number from 1 to 3660'),
        ({"days": "3661"}, 400, 103, 'parameter "days" is not valid'),
    ],
)
def test_errors(web, form, status, code, text) -> None:
    result = call(web, "lookup_stats", **{"client": web.application, **form})
    assert (result.status_code, code_of(result)) == (status, code)
    assert error_of(result)["message"].startswith(text)


def test_one_invalid_key_refuses_the_request(web) -> None:
    result = call(web, "lookup_stats", client=[web.application, "nobodys"])
    assert code_of(result) == 4
