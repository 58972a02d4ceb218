"""Files that are damaged are named, and a rebuild mends them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.fingerprint_store import (
    StoreCorrupt,
    open_store,
    open_store_writer,
    verify_store,
)
from tests.unit.fingerprint_store.model import contents, plain, row


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


def flip(place: int) -> Callable[[Path], None]:
    def flipped(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        file.write_bytes(data)

    return flipped


def written(path: Path) -> Path:
    """Write a store of one segment, and return that."""
    with open_store_writer(path) as writer:
        writer.apply({5: row(1), 7: row(2)}, 1, 1000)
    [segment] = path.glob("*.fingerprints")
    return segment


@pytest.mark.parametrize("damage", [cut, flip(3), flip(20), Path.unlink])
def test_damaged_tables_are_refused_and_rebuilt(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    segment = written(tmp_path)
    damage(segment)
    with pytest.raises(StoreCorrupt, match=segment.name):
        open_store(tmp_path).find([5])
    with pytest.raises(StoreCorrupt, match="store rebuild"):
        open_store_writer(tmp_path)
    assert segment.name in verify_store(tmp_path)[0]
    with open_store_writer(tmp_path, clear_damaged=True) as writer:
        writer.rebuild([{5: row(1)}], 2, 2000)
    assert contents(tmp_path) == {5: plain(row(1))}


def test_a_file_that_is_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    segment = written(tmp_path)
    store = open_store(tmp_path)
    assert store.find([5, 7]).missing == []
    cut(segment)
    with pytest.raises(StoreCorrupt, match="truncated"):
        store.find([5, 7])


def test_damaged_words_are_found_by_the_check(tmp_path: Path) -> None:
    flip(-1)(written(tmp_path))
    assert "damaged words" in verify_store(tmp_path)[0]
