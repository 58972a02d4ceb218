"""The manifest's file."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint_store.segment_format import StoreSegmentEntry
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT, StoreManifest
from pipeline.index.index_manifest import INDEX_FORMAT, IndexManifest
from pipeline.index.segments.segment_format import IndexSegmentEntry
from pipeline.storage.manifest import (
    decode_manifest,
    encode_manifest,
    read_manifest,
    write_manifest,
)

if TYPE_CHECKING:
    from pipeline.storage.format import StorageFormat

PATH = Path("/folder/manifest")
COUNT = st.integers(0, 2**63)
INDEX_ENTRIES = st.lists(st.builds(IndexSegmentEntry, *[COUNT] * 9)).map(tuple)
STORE_ENTRIES = st.lists(st.builds(StoreSegmentEntry, *[COUNT] * 6)).map(tuple)
METADATA = st.dictionaries(st.text(), st.text(), max_size=3)

INDEX_EXAMPLE = IndexManifest(
    3, 99, 5, (IndexSegmentEntry(4, 10, 2, 960, 4000, 4, 98, 5000, 0xDEADBEEF),), {"ä": "b"}
)
STORE_EXAMPLE = StoreManifest(99, 1_700_000, 5, (StoreSegmentEntry(4, 10, 2, 960, 7, 0xBEEF),))
EXAMPLES = pytest.mark.parametrize(
    ("format_", "example"),
    [(INDEX_FORMAT, INDEX_EXAMPLE), (STORE_FORMAT, STORE_EXAMPLE)],
    ids=["index", "store"],
)


@given(st.builds(IndexManifest, COUNT, COUNT, COUNT, INDEX_ENTRIES, METADATA))
def test_an_index_manifest_comes_back_as_it_was(value: IndexManifest) -> None:
    assert decode_manifest(INDEX_FORMAT, encode_manifest(INDEX_FORMAT, value), PATH) == value


@given(st.builds(StoreManifest, COUNT, COUNT, COUNT, STORE_ENTRIES))
def test_a_store_manifest_comes_back_as_it_was(value: StoreManifest) -> None:
    assert decode_manifest(STORE_FORMAT, encode_manifest(STORE_FORMAT, value), PATH) == value


def test_the_bytes_of_an_index_manifest_stay_as_they_are() -> None:
    """Files written by earlier versions of this software can be read."""
    assert encode_manifest(INDEX_FORMAT, INDEX_EXAMPLE) == (
        b"acoustid-index-manifest a51f2342\n"
        b'{"version": 2, "generation": 3, "position": 99, "next_segment": 5, "segments": '
        b'[{"number": 4, "documents": 10, "tombstones": 2, "postings": 960, "top_term": 4000, '
        b'"shift": 4, "position": 98, "size": 5000, "checksum": 3735928559}], '
        b'"metadata": {"\\u00e4": "b"}}\n'
    )


def test_the_bytes_of_a_store_manifest_stay_as_they_are() -> None:
    """Files written by earlier versions of this software can be read."""
    assert encode_manifest(STORE_FORMAT, STORE_EXAMPLE) == (
        b"acoustid-fingerprint-store d8346046\n"
        b'{\n "version": 2,\n "position": 99,\n "stamp": 1700000,\n "next_segment": 5,\n'
        b' "segments": [\n  {\n   "number": 4,\n   "fingerprints": 10,\n   "tombstones": 2,\n'
        b'   "words": 960,\n   "table_crc": 7,\n   "words_crc": 48879\n  }\n ]\n}\n'
    )


@EXAMPLES
def test_every_flipped_bit_is_noticed(format_: StorageFormat[Any, Any], example: Any) -> None:
    data = encode_manifest(format_, example)
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(format_.corrupt, match="/folder/manifest: is damaged"):
                decode_manifest(format_, bytes(flipped), PATH)


@EXAMPLES
def test_every_shorter_file_is_noticed(format_: StorageFormat[Any, Any], example: Any) -> None:
    data = encode_manifest(format_, example)
    for length in range(len(data)):
        with pytest.raises(format_.corrupt, match="/folder/manifest: is damaged"):
            decode_manifest(format_, data[:length], PATH)


@EXAMPLES
def test_a_newer_version_is_named(format_: StorageFormat[Any, Any], example: Any) -> None:
    data = encode_manifest(replace(format_, version=3), example)
    with pytest.raises(format_.corrupt, match="manifest format 3, but this version reads 2"):
        decode_manifest(format_, data, PATH)


@EXAMPLES
@pytest.mark.parametrize("place", ["the manifest", "a segment"])
def test_a_field_of_a_newer_version_is_named(
    format_: StorageFormat[Any, Any], example: Any, place: str
) -> None:
    body = json.loads(encode_manifest(format_, example).partition(b"\n")[2])
    (body if place == "the manifest" else body["segments"][0])["added"] = 1
    text = json.dumps(body).encode()
    data = f"{format_.magic} {zlib.crc32(text):08x}\n".encode() + text
    with pytest.raises(format_.corrupt, match=r"of a newer version .*'added'"):
        decode_manifest(format_, data, PATH)


@EXAMPLES
def test_writing_replaces_the_file(
    format_: StorageFormat[Any, Any], example: Any, tmp_path: Path
) -> None:
    assert read_manifest(format_, tmp_path) is None
    write_manifest(format_, tmp_path, format_.no_manifest)
    write_manifest(format_, tmp_path, example)
    assert read_manifest(format_, tmp_path) == example
    assert [file.name for file in tmp_path.iterdir()] == ["manifest"]
