"""After any changes a store holds the same as a dict."""

from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.fingerprint_store import (
    StoreRow,
    merging,
    open_store,
    open_store_writer,
    verify_store,
)
from tests.unit.fingerprint_store.model import Model, applied, contents, plain, row

IDS = st.integers(1, 30)
CHANGES = st.dictionaries(IDS, st.none() | st.integers(0, 10**6), max_size=12)
STEPS = st.lists(
    st.tuples(st.sampled_from(["apply"] * 6 + ["rebuild", "restart"]), CHANGES), max_size=40
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, fan_in=st.sampled_from([2, 4]), largest=st.sampled_from([600, 1 << 20]))
def test_it_holds_what_a_dict_would(
    steps: list[tuple[str, dict[int, int | None]]],
    fan_in: int,
    largest: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("store")
    model: Model = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "FAN_IN", fan_in)
        patch.setattr(merging, "MAX_SEGMENT", largest)
        writer = open_store_writer(path)
        opened = open_store(path)
        for position, (kind, numbers) in enumerate(steps, start=1):
            changes = {
                key: None if number is None else row(number) for key, number in numbers.items()
            }
            if kind == "apply":
                writer.apply(changes, position, position * 1000)
                model = applied(model, changes)
            elif kind == "rebuild":
                writer.rebuild([changes, changes], position, position * 1000)
                model = applied({}, changes)
            else:
                writer.close()
                writer = open_store_writer(path)
            found = opened.find(range(1, 31))
            assert {key: plain(each) for key, each in found.rows.items()} == model
            assert sorted(found.missing) == [key for key in range(1, 31) if key not in model]
            if kind != "restart":
                assert opened.reached() == (position, position * 1000)
        writer.close()
    assert contents(path) == model
    assert verify_store(path) == []
    assert len(list(path.glob("*.fingerprints"))) == open_store(path).stats().segments


def test_bounds_of_the_length_are_inclusive(tmp_path: Path) -> None:
    with open_store_writer(tmp_path) as writer:
        writer.apply({5: row(1)}, 1, 1000)
    store, length = open_store(tmp_path), row(1).length
    assert list(store.find([5], length, length).rows) == [5]
    assert store.find([5], length + 1).rows == {}
    assert store.find([5], -3, length - 1).rows == {}
    assert store.find([5], length + 1).missing == []


def test_what_a_reader_gave_outlives_the_files(tmp_path: Path) -> None:
    with open_store_writer(tmp_path) as writer:
        writer.apply({5: row(1)}, 1, 1000)
        store = open_store(tmp_path)
        given_out = store.find([5]).rows[5]
        writer.rebuild([], 2, 2000)
        assert store.find([5]).missing == [5]
        store.close()
    assert given_out.words.tobytes() == row(1).words.tobytes()


def test_a_reader_does_not_grow_by_what_it_reads(tmp_path: Path) -> None:
    words = {key: np.full(1 << 18, key, np.uint32) for key in range(1, 65)}
    with open_store_writer(tmp_path) as writer:
        rows = {key: StoreRow(1, 1, bytes(16), each) for key, each in words.items()}
        writer.apply(rows, 1, 1000)
    store = open_store(tmp_path)
    for key, each in words.items():
        [found] = store.find([key]).rows.values()
        assert (found.words == each).all()
    assert 0 < mapped_memory(tmp_path) < 16 << 20  # of 64


def mapped_memory(path: Path) -> int:
    """Return how many bytes of files below a path this process has in memory."""
    maps = psutil.Process().memory_maps(grouped=False)
    return sum(each.rss for each in maps if each.path.startswith(str(path)))


def test_segments_stay_few_and_no_merge_is_larger_than_allowed() -> None:
    sizes: list[int] = []
    for _ in range(5000):
        sizes.append(4000)
        while count := merging.choose_run(sizes, 1 << 22):
            total = sum(sizes[-count:])
            assert total <= 1 << 22
            sizes[-count:] = [total]
    assert sum(sizes) == 5000 * 4000
    small = [size for size in sizes if 2 * size < 1 << 22]
    assert len(small) < 40
