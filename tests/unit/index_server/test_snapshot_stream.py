"""Writing and restoring snapshots; damaged snapshots."""

import io
from pathlib import Path

import msgpack
import pytest

from index_server.errors import IndexAlreadyExistsError, InvalidIndexNameError
from index_server.offline import restore
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry
from index_server.served_index import SearchRequest
from index_server.snapshot_stream import SnapshotDamagedError, write_snapshot
from index_server.state import State, StateDamagedError, read_state, write_state
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert
from tests.unit.index.model import terms


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An index of generation 4 with documents 1 to 50 and metadata."""
    indexes = IndexRegistry(tmp_path_factory.mktemp("source"), IndexServerMetrics())
    index = indexes.create("a", CreateRequest(generation=4))
    for document in range(1, 51):
        index.update(
            UpdateRequest([Insert(document, terms(5, document + 100))], {"last": str(document)})
        )
    data = b"".join(write_snapshot(index.generation, index.files()))
    indexes.close()
    return data


def test_the_header_lists_files_and_sizes(snapshot: bytes) -> None:
    unpacker = msgpack.Unpacker()
    unpacker.feed(snapshot)
    header = unpacker.unpack()
    assert (header["f"], header["g"]) == (1, 4)
    assert header["s"][0]["i"] == "manifest"
    assert unpacker.tell() + sum(file["s"] for file in header["s"]) == len(snapshot)


def test_a_restored_index_is_complete(snapshot: bytes, tmp_path: Path) -> None:
    assert restore(tmp_path / "target", "b", io.BytesIO(snapshot)) == 4
    indexes = IndexRegistry(tmp_path / "target", IndexServerMetrics())
    index = indexes.get("b")
    info = index.info()
    assert (info.stats.documents, info.stats.position, info.metadata) == (50, 50, {"last": "50"})
    assert index.search(SearchRequest(terms(5, 142))).ids[0] == 42
    assert index.update(UpdateRequest()) == 51
    indexes.close()


@pytest.mark.parametrize(
    "name",
    ["lock", "state", "manifest.tmp", "x.segment", f"{1:016x}.segment.new", f"{10:016X}.segment"],
)
def test_a_file_that_does_not_belong_to_an_index_is_refused(tmp_path: Path, name: str) -> None:
    header = {"f": 1, "g": 1, "s": [{"i": name, "s": 4}]}
    with pytest.raises(SnapshotDamagedError, match=f"has the file {name!r}"):
        restore(tmp_path, "b", io.BytesIO(msgpack.packb(header) + b"text"))
    assert list(tmp_path.iterdir()) == []


def test_a_reused_name_gets_a_later_generation(snapshot: bytes, tmp_path: Path) -> None:
    indexes = IndexRegistry(tmp_path, IndexServerMetrics())
    indexes.create("b", CreateRequest(generation=9))
    indexes.delete("b")
    indexes.close()
    assert restore(tmp_path, "b", io.BytesIO(snapshot)) == 10


def test_after_the_highest_generation_a_name_cannot_be_used(
    snapshot: bytes, tmp_path: Path
) -> None:
    last = State(2**64 - 1, deleted=True)
    (tmp_path / "b").mkdir()
    write_state(tmp_path / "b", last)
    with pytest.raises(StateDamagedError, match="b/state has the highest possible generation"):
        restore(tmp_path, "b", io.BytesIO(snapshot))
    assert read_state(tmp_path / "b") == last


def test_an_existing_index_is_not_replaced(snapshot: bytes, tmp_path: Path) -> None:
    restore(tmp_path, "b", io.BytesIO(snapshot))
    with pytest.raises(IndexAlreadyExistsError):
        restore(tmp_path, "b", io.BytesIO(snapshot))


def test_an_invalid_name_is_refused(snapshot: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidIndexNameError):
        restore(tmp_path, "../b", io.BytesIO(snapshot))


def test_a_damaged_snapshot_is_refused(snapshot: bytes, tmp_path: Path) -> None:
    """Truncated, too long, or with a changed byte in a segment."""
    damaged = [snapshot[:size] for size in range(0, len(snapshot), 97)]
    damaged += [snapshot + b"\0", snapshot[:-40] + bytes([snapshot[-40] ^ 1]) + snapshot[-39:]]
    for each in damaged:
        with pytest.raises(SnapshotDamagedError):
            restore(tmp_path / "target", "b", io.BytesIO(each))
    assert list((tmp_path / "target").glob("b/*")) == []


@pytest.mark.parametrize(
    "header",
    [
        {"f": 2, "g": 1, "s": []},
        {"f": 1, "g": -1, "s": []},
        {"f": 1, "g": 1, "s": [{"i": "../state", "s": 0}]},
        {"f": 1, "g": 1, "s": [{"i": "a", "s": -1}]},
        {"f": 1, "g": 1, "s": [{"i": "a", "s": 0}, {"i": "a", "s": 0}]},
        {"f": 1, "g": 1, "s": [{"i": [0], "s": 0}]},
        {"g": 1},
        [],
    ],
)
def test_an_invalid_header_is_refused(header: object, tmp_path: Path) -> None:
    with pytest.raises(SnapshotDamagedError):
        restore(tmp_path, "b", io.BytesIO(msgpack.packb(header)))
