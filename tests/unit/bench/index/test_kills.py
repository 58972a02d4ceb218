"""Killing a process that writes an index."""

from bench.index.kills import KillCounts, check_index, measure_kills
from bench.index.model import Model
from pipeline.index import Insert, open_writer


def test_kills_lose_nothing(tmp_path):
    figures = measure_kills(tmp_path / "index", 2, 20, 1, lambda _: None)
    assert figures["kills"] == 2
    assert figures["acknowledged_batches"] >= 2
    assert figures["lost_batches"] == figures["corrupt_starts"] == 0


def test_a_lost_batch_and_a_damaged_file_are_counted(tmp_path):
    with open_writer(tmp_path) as writer:
        rows = Model().documents(0, 10)
        writer.apply([Insert(place + 1, row) for place, row in enumerate(rows)], 10)
    lost = KillCounts()
    check_index(tmp_path, 20, 10, lost)
    assert (lost.lost, lost.corrupt) == (1, 0)
    [segment] = tmp_path.glob("*.segment")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    damaged = KillCounts()
    check_index(tmp_path, 10, 10, damaged)
    assert damaged.corrupt == 1
