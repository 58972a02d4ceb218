"""The store of answers keeps what fits, for as long as it may."""

from api.answer_store import OVERHEAD, AnswerStore


def test_what_was_used_longest_ago_goes_first() -> None:
    store = AnswerStore(20 * (10 + OVERHEAD), 1.0, lambda: 0.0)
    for number in range(20):
        store.put(b"%d" % number, bytes(10))
    assert store.get(b"0") is not None
    store.put(b"20", bytes(10))
    assert store.get(b"0") is not None
    assert store.get(b"1") is None
    assert store.size == 20 * (10 + OVERHEAD)


def test_many_small_values_go_for_a_large_one() -> None:
    store = AnswerStore(10_000, 1.0, lambda: 0.0)
    for number in range(100):
        store.put(b"%d" % number, b"")
    store.put(b"large", bytes(1_000))
    assert store.get(b"large") == bytes(1_000)
    assert store.get(b"99") == b""
    assert store.size <= 10_000


def test_one_value_never_empties_the_store() -> None:
    store = AnswerStore(10_000, 1.0, lambda: 0.0)
    store.put(b"small", b"")
    store.put(b"huge", bytes(9_000))
    assert store.get(b"huge") is None
    assert store.get(b"small") == b""


def test_a_value_lives_for_its_time_and_is_replaced() -> None:
    now = [0.0]
    store = AnswerStore(10_000, 5.0, lambda: now[0])
    store.put(b"key", b"one")
    now[0] = 4.0
    store.put(b"key", b"two!")
    now[0] = 8.9
    assert store.get(b"key") == b"two!"
    now[0] = 9.0
    assert store.get(b"key") is None
    assert store.size == 0
