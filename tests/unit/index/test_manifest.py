"""The manifest file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.index import IndexCorrupt, manifest
from pipeline.index.manifest import Manifest, decode, encode, read_manifest, write_manifest
from pipeline.index.segment_format import SegmentEntry

PATH = Path("/index/manifest")
COUNT = st.integers(0, 2**63)
ENTRIES = st.lists(st.builds(SegmentEntry, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT))
EXAMPLE = Manifest(3, 99, 5, (SegmentEntry(4, 10, 2, 960, 4000, 0xDEADBEEF),))


@given(st.builds(Manifest, COUNT, COUNT, COUNT, ENTRIES.map(tuple)))
def test_a_manifest_comes_back_as_it_was(value: Manifest) -> None:
    assert decode(encode(value), PATH) == value


def test_every_flipped_bit_is_noticed() -> None:
    data = encode(EXAMPLE)
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(IndexCorrupt, match="/index/manifest: is damaged"):
                decode(bytes(flipped), PATH)


def test_every_shorter_file_is_noticed() -> None:
    data = encode(EXAMPLE)
    for length in range(len(data)):
        with pytest.raises(IndexCorrupt, match="/index/manifest: is damaged"):
            decode(data[:length], PATH)


def test_a_newer_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "VERSION", 3)
    data = encode(EXAMPLE)
    monkeypatch.undo()
    with pytest.raises(IndexCorrupt, match="manifest format 3, this software reads 2"):
        decode(data, PATH)


def test_writing_replaces_the_file(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    write_manifest(tmp_path, Manifest())
    write_manifest(tmp_path, EXAMPLE)
    assert read_manifest(tmp_path) == EXAMPLE
    assert [file.name for file in tmp_path.iterdir()] == ["manifest"]
