"""Batches: their size, when they are sent, and the answers to their entries."""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from api.http.bodies import MAX_BODY
from cli.commands.client.entries.batches import MAX_FORM, MAX_REQUEST, cut_batches, post_batch
from cli.commands.client.entries.entry import Entry, Item, Refusal, submission_pairs
from cli.commands.client.http_client import Client, RefusedError
from cli.errors import StackError
from tests.support.clients.scripted_server import Scripted, scripted_server


def entry(number: int, track: str = "x") -> Entry:
    fields = {"fingerprint": "AQAA", "duration": 10, "track": track}
    return Entry(number, f"line {number}", b"", fields)


def cut(items: Any, count: int = 3) -> list[list[int]]:
    """Return the positions of each batch."""
    found = cut_batches(items, submission_pairs, count)
    return [[item.position for item in batch.items] for batch in found]


def test_the_limit_is_that_of_the_service() -> None:
    assert MAX_REQUEST == MAX_BODY


def test_batches_are_cut_by_count() -> None:
    refusal = Refusal(3, "line 3", b"", "no")
    items = [entry(1), entry(2), refusal, entry(4), entry(5), entry(6), entry(7)]
    assert cut(items) == [[1, 2, 3, 4], [5, 6, 7]]
    assert cut([]) == []


def test_batches_are_cut_by_bytes() -> None:
    text = "ä" * 60_000  # 6 bytes each in a form
    batches = list(cut_batches([entry(n, text) for n in range(1, 6)], submission_pairs, 50))
    assert [list(batch.forms) for batch in batches] == [[1, 2], [3, 4], [5]]
    for batch in batches:
        pairs = [pair for form in batch.forms.values() for pair in form]
        assert len(urlencode(pairs)) <= MAX_FORM


def test_an_entry_that_fits_into_no_request_is_refused_alone() -> None:
    (batch,) = cut_batches([entry(1), entry(2, "x" * MAX_FORM), entry(3)], submission_pairs, 50)
    assert list(batch.forms) == [1, 3]
    assert "a request may have" in batch.refused[2]


def test_a_batch_that_is_not_full_is_sent_while_its_input_is_written() -> None:
    is_sent = threading.Event()

    def slowly() -> Iterator[Item]:
        yield entry(1)
        yield entry(2)
        assert is_sent.wait(20)
        yield entry(3)

    batches = cut_batches(slowly(), submission_pairs, 50)
    assert list(next(batches).forms) == [1, 2]
    is_sent.set()
    assert [list(batch.forms) for batch in batches] == [[3]]


def test_an_error_of_the_input_follows_the_batch_before_it() -> None:
    def cut_input() -> Iterator[Item]:
        yield entry(1)
        raise StackError("the file is cut")

    batches = cut_batches(cut_input(), submission_pairs, 50)
    assert list(next(batches).forms) == [1]
    with pytest.raises(StackError, match="the file is cut"):
        next(batches)


def test_the_input_is_closed_if_its_reader_stops() -> None:
    closed = threading.Event()

    def endless() -> Iterator[Item]:
        number = 0
        try:
            while True:
                number += 1
                yield entry(number)
        finally:
            closed.set()

    batches = cut_batches(endless(), submission_pairs, 2)
    next(batches)
    batches.close()
    assert closed.wait(20)


def post(status: int, code: int, *bad: int) -> list[tuple[list[int], dict[int, str]]]:
    """Post four entries to a server that refuses the requests with the given positions alone."""

    def reply(_path: str, form: dict[str, list[str]]) -> Scripted:
        found = sorted(int(name.partition(".")[2]) for name in form if "track." in name)
        if len(found) > 1 or found[0] in bad:
            error = {"code": code, "message": f"bad {found}"}
            return Scripted(status, {"status": "error", "error": error})
        return Scripted(body={"status": "ok"})

    items = [entry(1), entry(2), Refusal(3, "line 3", b"", "no"), entry(4)]
    with scripted_server(reply) as server:
        (batch,) = cut_batches(items, submission_pairs, 50)
        answers = list(post_batch(Client(server.address, "key"), "/v2/submit", [], batch))
    return [([item.position for item in each.items], each.refused) for each in answers]


@pytest.mark.parametrize(("status", "code"), [(400, 3), (413, 19)])
def test_the_entries_of_a_refused_batch_are_sent_alone(status: int, code: int) -> None:
    assert post(status, code, 2) == [([1], {}), ([2], {2: "bad [2]"}), ([3], {3: "no"}), ([4], {})]


def test_another_error_ends_the_run() -> None:
    with pytest.raises(RefusedError, match="replied 401"):
        post(401, 4)
