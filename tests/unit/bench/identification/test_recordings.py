"""Reading recordings with variants, and their correct answers."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.identification.recordings import (
    BUNDLED,
    FINGERPRINTS,
    ROUGH,
    VariantRow,
    kinds_of,
    load_recordings,
    place_of,
    same_music,
)
from cli.errors import StackError
from pipeline.fingerprint.codec import encode

STORED = 117.0  # seconds
TEXT = encode(np.arange(40, dtype=np.uint32))


def variant(kind: str = "mic", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "fingerprint": TEXT, "duration": 120, **fields}


def recording(*variants: dict[str, Any], name: str = "a") -> dict[str, Any]:
    return {"id": name, "fingerprint": TEXT, "duration": 120.5, "variants": list(variants)}


def write(folder: Path, name: str, rows: Sequence[object]) -> None:
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    folder.joinpath(name).write_bytes(gzip.compress(text.encode()))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, 0.0),
        ({"start": 66.998, "length": 15}, 66.998),
        ({"start": 20.0, "speed": 1.04, "cents": 67.9}, 20.0),
        ({"intro": 25}, -25.0),
        ({"cut": [40, 60]}, 20.0),  # 57 s after the cut are more than 40 s before it
        ({"cut": [80, 100]}, 0.0),
    ],
)
def test_the_place_of_the_first_word(fields: dict[str, Any], place: float) -> None:
    assert place_of(VariantRow(**variant(**fields)), STORED) == place


def test_both_recordings_of_a_pair_are_correct() -> None:
    assert same_music("11fc1bd431b1") == same_music("f22aede7aa07")
    assert same_music("f22aede7aa07") == {"11fc1bd431b1", "f22aede7aa07"}
    assert same_music("other") == {"other"}


def test_rough_variants_replace_those_of_the_same_kind(tmp_path: Path) -> None:
    write(tmp_path, FINGERPRINTS, [recording(variant(start=1), variant("mp3"))])
    write(tmp_path, ROUGH, [{"id": "a", "variants": [variant(start=2), variant("phone")]}])
    (found,) = load_recordings(tmp_path)
    assert kinds_of([found]) == ["mic", "phone", "mp3"]
    assert found.variants[0].place == 2.0
    assert np.array_equal(found.words, np.arange(40))


def test_rough_variants_may_be_missing_and_kinds_chosen(tmp_path: Path) -> None:
    write(tmp_path, FINGERPRINTS, [recording(variant("mic"), variant("mp3"))])
    assert kinds_of(load_recordings(tmp_path, {"mp3"})) == ["mp3"]
    with pytest.raises(StackError, match="has no variants of the kinds phone"):
        load_recordings(tmp_path, {"phone"})


WHOLE = gzip.compress(json.dumps(recording(variant())).encode())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"text", "cannot be read: Not a gzipped file", id="text"),
        pytest.param(WHOLE[:-6], "cannot be read: Compressed file ended", id="truncated"),
        pytest.param(gzip.compress(b"[1\n"), "has another form: Invalid JSON", id="no JSON"),
        pytest.param(
            gzip.compress(b'{"id": "a"}\n'), "has another form: Field required", id="no field"
        ),
        pytest.param(
            gzip.compress(json.dumps({**recording(variant()), "fingerprint": "!"}).encode()),
            "recording a: ",
            id="no fingerprint",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    tmp_path.joinpath(FINGERPRINTS).write_bytes(content)
    with pytest.raises(StackError, match=problem):
        load_recordings(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"fingerprints\.jsonl\.gz cannot be read"):
        load_recordings(tmp_path)


def test_the_bundled_recordings_have_a_variant_of_each_kind() -> None:
    found = load_recordings(BUNDLED, {"excerpt10s", "intro10s_music"})
    assert len(found) == 36
    assert all(kinds_of([each]) == ["excerpt10s", "intro10s_music"] for each in found)
    assert all(each.variants[1].other not in ("", each.id) for each in found)
