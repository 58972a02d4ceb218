"""A flipped bit at each byte of a small index and a small store; see `tests/faults/storage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.storage.test_every_byte import (
    check_all,
    find_each,
    in_child,
    make_index,
    make_store,
    search_each,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_each_byte_of_an_index(tmp_path: Path) -> None:
    index = make_index(tmp_path / "index")
    assert search_each(index) == ""  # compiles the loops
    assert in_child(lambda: check_all(index, tmp_path / "copy", search_each, stride=1)) == ""


def test_each_byte_of_a_store(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    assert find_each(store) == ""
    assert in_child(lambda: check_all(store, tmp_path / "copy", find_each, stride=1)) == ""
