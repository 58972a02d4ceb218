"""Runs that end early tell what was accepted, and a second run goes on there."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.commands.client.entries.entry import Entry, Item
from cli.commands.client.http_client import Client
from cli.commands.client.submissions.final_states import wait_for
from cli.commands.client.submissions.journal import Journal
from cli.commands.client.submissions.sending import submit_entries
from cli.errors import StackError
from tests.support.clients.scripted_server import Scripted, scripted_server

ACCEPT_ALL = itertools.repeat("ok")


def entry(number: int) -> Entry:
    fields = {"fingerprint": "AQAA", "duration": 10, "track": "x"}
    return Entry(number, f"line {number}", b"%d" % number, fields)


class Service:
    """Accepts submissions as the web service does, until its script says otherwise.

    Attributes:
        received: the positions of the accepted entries.
    """

    def __init__(self, script: Iterator[str] = ACCEPT_ALL) -> None:
        self.received: list[int] = []
        self._script = script

    def __call__(self, path: str, form: dict[str, list[str]]) -> Scripted:
        """Reply to `/v2/submit`."""
        del path
        match next(self._script):
            case "gone":
                return Scripted(0)
            case "401":
                return Scripted(401, {"error": {"code": 4, "message": "invalid API key"}})
        found = sorted(int(name.partition(".")[2]) for name in form if "track." in name)
        self.received += found
        made = [{"id": 1000 + each, "index": str(each), "status": "pending"} for each in found]
        return Scripted(body={"status": "ok", "submissions": made})


def run(service: Service, path: Path, items: Iterator[Item]) -> dict[int, str]:
    with (
        scripted_server(service) as server,
        Journal.open(path, "songs.jsonl", "here") as journal,
    ):
        left = (each for each in items if not journal.is_done(each.position, each.identity))
        submit_entries(Client(server.address, "key", "user"), left, journal)
        return journal.submissions


def entries(count: int) -> Iterator[Item]:
    return map(entry, range(1, count + 1))


def interrupted(count: int) -> Iterator[Item]:
    yield from entries(count)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("script", "items", "error"),
    [
        (["ok", "ok", "gone", "gone"], entries, StackError),
        (["ok", "ok", "401"], entries, StackError),
        (["ok", "ok", "ok", "ok"], lambda _: interrupted(100), KeyboardInterrupt),
    ],
)
def test_a_run_that_ends_early_goes_on(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: list[str],
    items: Callable[[int], Iterator[Item]],
    error: type[BaseException],
) -> None:
    path = tmp_path / "journal"
    first = Service(iter(script))
    with pytest.raises(error):
        run(first, path, items(220))
    told = "done up to line 100: 100 accepted (100 submissions), 0 refused"
    assert told in capsys.readouterr().err
    assert first.received == list(range(1, 101))
    second = Service()
    submissions = run(second, path, entries(220))
    assert second.received == list(range(101, 221))
    assert submissions == {1000 + each: f"line {each}" for each in range(1, 221)}


def test_nothing_is_lost_if_a_reply_is_lost(tmp_path: Path) -> None:
    """A batch that the server has received, but whose reply is lost, is sent again."""
    path = tmp_path / "journal"
    first = Service()
    lost = iter([False, True])

    def reply(at: str, form: dict[str, list[str]]) -> Scripted:
        answer = first(at, form)
        return Scripted(0) if next(lost, True) else answer

    with (
        suppress(StackError),
        scripted_server(reply) as server,
        Journal.open(path, "songs.jsonl", "here") as journal,
    ):
        submit_entries(Client(server.address, "key", "user"), entries(120), journal)
    second = Service()
    run(second, path, entries(120))
    assert set(first.received + second.received) == set(range(1, 121))
    assert second.received == list(range(51, 121))


def states(*replies: dict[int, str]) -> Callable[[str, dict[str, list[str]]], Scripted]:
    """Return a server that answers each request for states with the next reply, then the last."""
    script = itertools.chain(replies, itertools.repeat(replies[-1]))

    def reply(path: str, form: dict[str, list[str]]) -> Scripted:
        assert path == "/v2/submission_status"
        known = next(script)
        made = [{"id": int(each), "status": known.get(int(each), "pending")} for each in form["id"]]
        return Scripted(body={"status": "ok", "submissions": made})

    return reply


def test_the_wait_ends_when_all_are_final(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.commands.client.submissions.final_states.POLL", 0.01)
    late = dict.fromkeys(range(1, 121), "imported") | {7: "rejected", 90: "failed"}
    reply = states({}, {2: "imported"}, {}, {}, late)
    with scripted_server(reply) as server:
        names = {number: f"line {number + 10}" for number in range(1, 121)}
        final = wait_for(Client(server.address, "key"), names)
    assert {number: each.state for number, each in final.items()} == late
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "line 100: submission 90 failed: the server gives no reason",
        "line 17: submission 7 rejected: the server gives no reason",
    ]


def test_a_wait_without_progress_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.commands.client.submissions.final_states.PROGRESS_TIMEOUT", 0.0)
    with (
        scripted_server(states({2: "imported"}, {})) as server,
        pytest.raises(StackError, match="no submission became final"),
    ):
        wait_for(Client(server.address, "key"), {1: "line 1", 2: "line 2"})
    assert "1 submission is final, 1 pending" in capsys.readouterr().err


def test_ctrl_c_before_the_first_new_batch_tells_what_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal"
    run(Service(), path, entries(60))
    capsys.readouterr()
    with pytest.raises(KeyboardInterrupt):
        run(Service(), path, interrupted(60))
    assert capsys.readouterr().err == (
        "done up to line 60: 60 accepted (60 submissions), 0 refused\n"
    )
