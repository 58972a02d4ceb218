"""Lines become rows of the staging table; what is wrong with a line is named."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bulk_import.files.reading.batches import encode_lines
from pipeline.bulk_import.files.reading.gzip_lines import Line
from pipeline.bulk_import.files.reading.values import LineError
from pipeline.bulk_import.files.reading.words import parse_fingerprint
from pipeline.fingerprint.codec import encode
from pipeline.fingerprint.public_part import LONGEST
from tests.support.data_files import CREATED, fingerprint, gid, mbid, track_mbid

TRACK = {"id": 1, "gid": gid(1), "created": CREATED}
FINGERPRINT = fingerprint(1, count=5)
LINK = track_mbid(1)
DELETION = {"id": 1, "table_name": "track", "row_id": 1, "created": CREATED}
FOREIGN = {"id": 1, "track_id": 1, "foreignid_id": 1, "vendor_id": 1, "vendor": "v", "name": "n"}
FOREIGN |= {"submission_count": 1, "created": CREATED}


def _days_ahead(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def reason(table: str, content: Mapping[str, Any] | bytes | str) -> str:
    """Return why a line is refused; an empty text if it is not."""
    if isinstance(content, Mapping):
        content = json.dumps(content)
    line = content.encode() if isinstance(content, str) else content
    [batch] = encode_lines(f"{table}-update", [Line(7, line)])
    assert batch.count + len(batch.refused) == 1
    assert [number for number, _ in batch.refused] == [7] * len(batch.refused)
    return batch.refused[0][1] if batch.refused else ""


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("track", TRACK),
        ("track", TRACK | {"new_id": 2, "updated": "2026-01-01 00:00:00.5+02", "other": {}}),
        ("fingerprint", FINGERPRINT),
        ("fingerprint", FINGERPRINT | {"bitrate": 320, "format": "FLAC"}),
        ("fingerprint", FINGERPRINT | {"fingerprint": encode(np.arange(9, dtype=np.uint32))}),
        ("track_mbid", LINK | {"disabled": True, "merged_into": 3}),
        ("track", TRACK | {"updated": _days_ahead(0)}),
        ("track", json.dumps(TRACK) + "\r"),
        ("fingerprint", json.dumps(FINGERPRINT | {"fingerprint": [0, -1]}).replace("0,", "0 ,")),
        ("track_foreignid", FOREIGN | {"name": "é" * 500}),
        ("meta", {"id": 1, "track": "T", "year": 1999, "created": CREATED}),
        ("deletion", DELETION),
    ],
)
def test_a_good_line_is_taken(table: str, row: dict[str, Any] | str) -> None:
    assert reason(table, row) == ""


@pytest.mark.parametrize(
    ("table", "line", "expected"),
    [
        ("track", b"", "the line is empty"),
        ("track", b"\xff{}", "byte 1 is not UTF-8"),
        ("track", b"{", "is not JSON: Expecting property name"),
        ("track", b"[1]", "is not a JSON object"),
        ("track", b'{"id": NaN}', "is not JSON: NaN and Infinity are not JSON"),
        ("track", b'{"id": 1' + b"0" * 5000 + b"}", "is not JSON: a number is too long"),
        ("track", b"[" * 100_000, "its values are nested too deeply"),
        ("track", TRACK | {"id": None}, "id is missing"),
        ("track", TRACK | {"id": True}, "id is not an integer"),
        ("track", TRACK | {"id": 1.0}, "id is not an integer"),
        ("track", TRACK | {"id": 0}, "id is not between 1 and 2147483647"),
        ("track", TRACK | {"id": 10**400}, "id is not between 1 and 2147483647"),
        ("track", TRACK | {"gid": "no"}, "gid is not a UUID"),
        ("track", TRACK | {"gid": "{" + gid(1)[:34] + "}"}, "gid is not a UUID"),
        ("track", TRACK | {"created": "yesterday"}, "created is not a time such as"),
        ("track", TRACK | {"created": "infinity"}, "created is not a time such as"),
        ("track", TRACK | {"created": 1}, "created is not a time"),
        ("track", TRACK | {"created": "0000-01-01T00:00:00Z"}, "created is not a time"),
        ("track", TRACK | {"created": "2026-01-01T00:00:00+26:00"}, "created is not a time"),
        ("track", TRACK | {"created": "0001-01-01T00:00:00+14:00"}, "is not between 1970 and now"),
        ("track", TRACK | {"updated": "9999-12-31T23:59:59-14:00"}, "is not between 1970 and now"),
        ("track", TRACK | {"updated": _days_ahead(3)}, "updated is not between 1970 and now"),
        ("track", b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        ("track", b'{"id":1e400}', "id is not an integer"),
        ("track", b'{"id":1}\0', "is not JSON: Extra data"),
        ("track", b"\r", "the line is empty"),
        ("fingerprint", FINGERPRINT | {"length": 32768}, "length is not between 1 and 32767"),
        ("fingerprint", FINGERPRINT | {"format": "x" * 501}, "format has more than 500 characters"),
        ("track_mbid", LINK | {"submission_count": -1}, "submission_count is not between 0"),
        ("track_mbid", LINK | {"submission_count": "1"}, "submission_count is not an integer"),
        ("track_mbid", LINK | {"disabled": 1}, "disabled is not true or false"),
        ("meta", {"id": 1, "track": 5, "created": CREATED}, "track is not a text"),
        ("meta", {"id": 1, "track": "\0", "created": CREATED}, "track contains the character NUL"),
        ("meta", {"id": 1, "track": "\ud800", "created": CREATED}, "half of a surrogate pair"),
        ("meta", {"id": 1, "track": "x" * 70000, "created": CREATED}, "has more than 65536"),
        ("fingerprint", FINGERPRINT | {"length": 0}, "length is not between 1 and 32767"),
        ("fingerprint", FINGERPRINT | {"fingerprint": None}, "is not a list of numbers or a text"),
        ("fingerprint", FINGERPRINT | {"fingerprint": []}, "fingerprint has no words"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [1, 2.5]}, "something else than integers"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [1, [2]]}, "something else than integers"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [2**32]}, "a number of more than 32 bits"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [-(2**31) - 1]}, "more than 32 bits"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [10**30]}, "more than 32 bits"),
        ("fingerprint", FINGERPRINT | {"fingerprint": [0] * (LONGEST + 1)}, "words, more than"),
        ("fingerprint", FINGERPRINT | {"fingerprint": "AQ"}, "fingerprint: "),
        ("fingerprint", b'{"fingerprint": [1,,2]}', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [1 2]}', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [1,2', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [-]}', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [1,-, 2]}', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [1,--2]}', "is not JSON"),
        ("fingerprint", b'{"fingerprint": [ ]}', "fingerprint has no words"),
        ("track_foreignid", FOREIGN | {"name": "x" * 501}, "name has more than 500 characters"),
        ("track_foreignid", FOREIGN | {"vendor": "x" * 501}, "vendor has more than 500"),
        (
            "track_fingerprint",
            {"id": 1, "fingerprint_id": 2, "track_id": 1, "submission_count": 1}
            | {"created": CREATED},
            "id and fingerprint_id differ",
        ),
        ("deletion", DELETION | {"table_name": "account"}, "table_name is not a table of"),
    ],
)
def test_a_wrong_line_is_refused(table: str, line: Any, expected: str) -> None:
    assert expected in reason(table, line)


@given(
    st.lists(st.integers(-(2**31), 2**32 - 1), min_size=1, max_size=50),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.permutations(["id", "length", "created", "fingerprint"]),
)
def test_words_are_read_as_json_reads_them(
    numbers: list[int], separators: tuple[str, str], order: list[str]
) -> None:
    row = FINGERPRINT | {"fingerprint": numbers}
    line = json.dumps({name: row[name] for name in order}, separators=separators)
    content, words = parse_fingerprint(line.encode())
    assert words.tolist() == [each & 0xFFFFFFFF for each in numbers]
    assert {name: content[name] for name in ("id", "length", "created")} == {
        name: row[name] for name in ("id", "length", "created")
    }


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=10))
def test_any_line_is_read_or_refused(before: bytes, inside: bytes, after: bytes) -> None:
    for line in (before, before + b'"fingerprint":[' + inside + b"]" + after):
        for table in ("fingerprint", "track", "meta"):
            reason(table, line)


@given(st.text(max_size=30))
def test_a_fingerprint_inside_of_a_text_is_a_text(text: str) -> None:
    row = FINGERPRINT | {"format": text + '"fingerprint":[1]'}
    content, words = parse_fingerprint(json.dumps(row).encode())
    assert words.tolist() == [each & 0xFFFFFFFF for each in FINGERPRINT["fingerprint"]]
    assert content["format"] == row["format"]


def test_a_batch_ends_before_a_row_with_the_same_key() -> None:
    rows = [
        track_mbid(1),
        track_mbid(2),
        track_mbid(1, submission_count=9),
        track_mbid(3, track_id=1, mbid=mbid(1)),
    ]
    lines = [Line(number, json.dumps(row).encode()) for number, row in enumerate(rows, 1)]
    batches = encode_lines("track_mbid-update", lines)
    assert [(batch.count, batch.last) for batch in batches] == [(2, 2), (1, 3), (1, 4)]


def test_a_refused_line_is_an_error_with_a_reason() -> None:
    with pytest.raises(LineError, match="is not JSON"):
        parse_fingerprint(b"{")
