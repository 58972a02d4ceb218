"""Answers are kept for one generation and some seconds; equal questions at one time share one."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.http.errors import ServiceUnavailableError
from api.lookups.answer_cache import LIFETIME, OVERHEAD, AnswerCache
from api.lookups.pending import Answer
from pipeline.messages import Lookup

TIMEOUT = 30.0


class LookingUp:
    """Answers with the number of the question, and waits where it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self.padding = ""

    def __call__(
        self,
        lookups: Sequence[Lookup],
        meta: str,  # noqa: ARG002 - whatever is asked for
        deadline: float,  # noqa: ARG002 - it takes no time
        client: str,
    ) -> list[Answer]:
        number = len(self.asked)
        self.asked.append(client)
        self.begun.release()
        assert self.go_on.wait(TIMEOUT)
        if number == 0 and self.error is not None:
            raise self.error
        results = [number, self.padding] if self.padding else [number]
        return [{"results": results} for _ in lookups]


class Front:
    """A cache under test, its clock and generation."""

    def __init__(self, capacity: int = 2**20) -> None:
        self.look_up = LookingUp()
        self.generation: bytes | None = b"1"
        self.now = 0.0
        self.answers = AnswerCache(
            self.look_up, lambda: self.generation, capacity=capacity, clock=lambda: self.now
        )

    def ask(self, meta: str = "", **question: object) -> list[Answer]:
        asked = {"request": 0, "duration": 200, "fingerprint": b"\x02\x00", **question}
        return self.answers.look_up([Lookup(**asked)], meta, time.monotonic() + TIMEOUT, "client")  # type: ignore[arg-type]


def answer(number: int) -> list[Answer]:
    return [{"results": [number]}]


def test_what_was_asked_before_is_answered_from_memory() -> None:
    front = Front()
    first = front.ask()
    first[0]["results"].append("changed by its reader")
    assert front.ask() == front.ask() == answer(0)
    assert front.look_up.asked == ["client"]


@pytest.mark.parametrize(
    "other",
    [
        {"duration": 201},
        {"max_duration_diff": 8},
        {"fingerprint": b"\x02\x01"},
        {"fingerprint": b"", "track_gid": "x"},
        {"meta": "m2"},
    ],
)
def test_another_question_has_an_answer_of_its_own(other: dict[str, object]) -> None:
    front = Front()
    assert front.ask() == answer(0)
    assert front.ask(**other) == answer(1)  # type: ignore[arg-type]


def test_questions_of_one_request_are_kept_together() -> None:
    front = Front()
    lookups = [Lookup(request=0, track_gid="a"), Lookup(request=0, track_gid="b")]
    assert len(front.answers.look_up(lookups, "", time.monotonic() + TIMEOUT)) == 2
    assert front.answers.look_up(lookups[:1], "", time.monotonic() + TIMEOUT) == answer(1)


def test_a_new_generation_has_new_answers() -> None:
    front = Front()
    assert front.ask() == answer(0)
    front.generation = b"2"
    assert front.ask() == front.ask() == answer(1)


def test_without_a_generation_nothing_is_kept() -> None:
    front = Front()
    front.generation = None
    assert [front.ask(), front.ask()] == [answer(0), answer(1)]


def test_an_answer_gets_old() -> None:
    front = Front()
    assert front.ask() == answer(0)
    front.now = LIFETIME
    assert front.ask() == answer(1)


def test_who_asks_the_same_at_the_same_time_shares_the_answer() -> None:
    front = Front()
    front.look_up.go_on.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(front.ask)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)
        others = [pool.submit(front.ask) for _ in range(7)]
        front.look_up.go_on.set()
        assert [each.result() for each in [first, *others]] == [answer(0)] * 8
    assert len(front.look_up.asked) == 1


def test_who_asks_after_a_change_does_not_share_what_was_asked_before_it() -> None:
    front = Front()
    front.look_up.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(front.ask)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)
        front.generation = b"2"
        after = pool.submit(front.ask)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)
        front.look_up.go_on.set()
        assert [before.result(), after.result()] == [answer(0), answer(1)]
    assert front.ask() == answer(1)


def test_a_failure_is_not_kept_and_not_shared() -> None:
    front = Front()
    front.look_up.error = ServiceUnavailableError()
    front.look_up.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(front.ask)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)
        other = pool.submit(front.ask)
        front.look_up.go_on.set()
        with pytest.raises(ServiceUnavailableError):
            first.result()
        assert other.result() == answer(1)
    assert front.ask() in (answer(1), answer(2))


def test_the_least_recently_used_answer_goes_first() -> None:
    front = Front(capacity=20 * (OVERHEAD + 12))
    for number in range(20):
        front.ask(str(number))
    assert front.ask("0") == answer(0)
    for number in range(20, 24):
        front.ask(str(number))
    assert front.ask("0") == answer(0)
    assert front.ask("1") == answer(24)


def test_an_answer_of_a_tenth_of_the_capacity_is_not_kept() -> None:
    front = Front(capacity=20_000)
    assert front.ask() == answer(0)
    front.look_up.padding = "x" * 2_000
    front.ask("large")
    front.ask("large")
    assert len(front.look_up.asked) == 3
    front.look_up.padding = ""
    assert front.ask() == answer(0)


def test_a_request_waits_for_another_one_only_until_its_own_deadline() -> None:
    front = Front()
    front.look_up.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(front.ask)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)
        lookup = Lookup(request=0, duration=200, fingerprint=b"\x02\x00")
        other = pool.submit(front.answers.look_up, [lookup], "", time.monotonic() + 0.05)
        assert front.look_up.begun.acquire(timeout=TIMEOUT)  # it asks by itself
        front.look_up.go_on.set()
        assert [first.result(), other.result()] == [answer(0), answer(1)]
