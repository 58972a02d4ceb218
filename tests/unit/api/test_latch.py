"""A latch lets all pass once it is open, and nobody before."""

import threading
import time

from api.latch import Latch


def test_nobody_passes_before_it_opens() -> None:
    latch = Latch()
    assert not latch.wait(0)
    begun = time.monotonic()
    assert not latch.wait(0.05)
    assert time.monotonic() - begun >= 0.05


def test_all_pass_once_it_is_open() -> None:
    latch = Latch()
    latch.open()
    latch.open()
    assert latch.wait(0)
    assert latch.wait(1)
    assert latch.wait(0)


def test_all_who_wait_are_let_through_by_one_opening() -> None:
    latch = Latch()
    passed: list[bool] = []
    threads = [threading.Thread(target=lambda: passed.append(latch.wait(30))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert passed == []
    openers = [threading.Thread(target=latch.open) for _ in range(5)]
    for opener in openers:
        opener.start()
    for thread in (*openers, *threads):
        thread.join(30)
    assert passed == [True] * 20
    assert latch.wait(0)
