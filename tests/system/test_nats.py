"""Messages on Debian's nats-server, while it and the process of the ingest are killed.

The whole file looks at one run: 10,000 messages, of which 200 are wrong; 500 are delivered again,
apart from those that the kills cause.
"""

import json
import time
from collections import Counter, defaultdict
from random import SystemRandom
from typing import Any

import click
import pytest

from cli.stack.data_directory import DataDir
from nats_bridge.headers import CODE, REASON
from nats_bridge.streams.preparation import DEAD_LETTER_WINDOW
from tests.support.nats_load.jetstream import connected
from tests.support.nats_load.messages import NUMBER, Sent
from tests.support.processes.nats_server import running_nats_server
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, running_stack
from tests.system.nats_kills import (
    GOOD,
    MAX_PENDING,
    PROCESS_KILLS,
    REDELIVERED,
    ROLE,
    SERVER_KILLS,
    SETTINGS,
    WRONG,
    Outcome,
    Scenario,
    make_stream,
)
from tests.system.packages import NATS_SERVER, needs

pytestmark = [needs(NATS_SERVER), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of the option ``--nats-seed``, or a random one; it is printed."""
    given = request.config.getoption("--nats-seed")
    chosen = SystemRandom().randrange(10_000) if given is None else int(given)
    click.echo(f"the seed of the run: --nats-seed {chosen}")
    return chosen


@pytest.fixture(scope="module")
def outcome(seed: int) -> Outcome:
    """The data after all messages and kills."""
    program = str(NATS_SERVER.folder() / NATS_SERVER.name)  # type: ignore[operator]
    started = time.monotonic()
    with (
        temporary_folder() as folder,
        running_nats_server(folder / "nats", program=program) as server,
        connected(server.url) as jetstream,
    ):
        make_stream(jetstream)
        environ = {**SETTINGS, "ACOUSTID_NATS_SERVERS": server.url}
        with running_stack(DataDir.at(folder / "data"), WholeStack, **environ) as stack:
            try:
                found = Scenario(stack, server, jetstream, seed).run()
            except Exception as error:
                error.add_note(f"the end of the log: {stack.data.log(ROLE).read_text()[-1500:]}")
                raise
    click.echo(f"{time.monotonic() - started:.0f} s; killed: {', '.join(found.kills)}")
    return found


@pytest.fixture(scope="module")
def sent(outcome: Outcome) -> list[Sent]:
    """The submissions of all messages."""
    return [each for message in outcome.messages for each in message.submissions]


def test_the_messages_and_kills_are_those_of_the_plan(outcome: Outcome) -> None:
    refused = [each for message in outcome.messages for each in message.refused]
    assert (len(outcome.messages), len(refused)) == (GOOD + WRONG, WRONG)
    assert outcome.taken == REDELIVERED // 2
    killed = Counter(each.partition(" ")[0] for each in outcome.kills)
    assert killed == {"process": PROCESS_KILLS, "server": SERVER_KILLS}


def test_each_right_submission_is_received_and_decided_once(
    outcome: Outcome, sent: list[Sent]
) -> None:
    received = Counter((row.gid, row.mbid, row.state) for row in outcome.receipts)
    states = {True: "imported", False: "rejected"}
    assert received == Counter((each.gid, each.mbid, states[each.is_importable]) for each in sent)


def test_each_right_submission_is_counted_once_in_the_catalogue(
    outcome: Outcome, sent: list[Sent]
) -> None:
    imported = [each for each in sent if each.is_importable]
    assert outcome.link_counts == Counter(each.mbid for each in imported)
    assert outcome.fingerprint_count == len(imported)
    mbids = {row.id: row.mbid for row in outcome.receipts if row.state == "imported"}
    assert {key: row.mbid for key, row in outcome.results.items()} == mbids


def test_each_wrong_item_is_one_dead_letter_with_its_reason_and_code(outcome: Outcome) -> None:
    expected = {each.number: each for message in outcome.messages for each in message.refused}
    found = Counter(int(each.headers[NUMBER]) for each in outcome.dead_letters)
    assert found == dict.fromkeys(expected, 1)
    for letter in outcome.dead_letters:
        wanted = expected[int(letter.headers[NUMBER])]
        assert (int(letter.headers[CODE]), _content(letter.body)) == (
            wanted.code,
            _content(wanted.body),
        ), letter
        assert wanted.reason in letter.headers[REASON]


def test_a_dead_letter_has_the_headers_of_its_message(outcome: Outcome) -> None:
    headers = {
        message.refused[0].number: message.headers
        for message in outcome.messages
        if message.refused
    }
    for letter in outcome.dead_letters:
        own = headers[int(letter.headers[NUMBER])]
        assert own.items() <= letter.headers.items()


def test_a_message_that_is_refused_again_much_later_has_no_second_dead_letter(
    outcome: Outcome,
) -> None:
    """The process may end before it has ended the message, and start again a day later."""
    assert outcome.dead_letter_window == DEAD_LETTER_WINDOW


def test_the_stream_is_drained(outcome: Outcome) -> None:
    assert outcome.left == {}


def test_the_counts_agree(outcome: Outcome, sent: list[Sent]) -> None:
    states = Counter(row.state for row in outcome.receipts)
    counted = outcome.status["submissions"]
    assert {name: count for name, count in counted.items() if count} == states
    assert states.total() == len(sent)
    assert len(outcome.dead_letters) == WRONG


def test_no_more_submissions_are_pending_than_max_pending(outcome: Outcome) -> None:
    assert MAX_PENDING // 2 < outcome.most_pending <= MAX_PENDING


def test_each_final_state_is_announced(outcome: Outcome) -> None:
    announced: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
    for each in outcome.announcements:
        body = json.loads(each.body)
        key = (body["task_id"], body["track_id"], body["mbid"], body["state"], body["reason"])
        announced[body["submission_id"]].add(key)
    expected = {}
    for row in outcome.receipts:
        result = outcome.results.get(row.id)
        track = str(outcome.tracks[result.track_id]) if result else None
        expected[row.id] = {(str(row.task_id), track, str(row.mbid), row.state, row.reason)}
    assert announced == expected


def test_the_announcements_of_a_track_are_in_order(outcome: Outcome) -> None:
    """A row of the outbox has a higher id than those that were committed before."""
    first: dict[int, str] = {}
    for each in outcome.announcements:
        body = json.loads(each.body)
        first.setdefault(body["number"], body["track_id"])
    by_track: dict[str, list[int]] = defaultdict(list)
    for number, track in first.items():
        by_track[track].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_track.values())
    assert max(len(numbers) for track, numbers in by_track.items() if track) > 1


def _content(body: bytes) -> Any:
    """Return the content of a body: JSON has several forms with the same content."""
    try:
        return json.loads(body)
    except ValueError:
        return body
