"""Lines of JSON: each one is an entry or has a reason; no bytes end in another exception."""

import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.commands.client.entries.entry import (
    Entry,
    InvalidEntryError,
    Item,
    Refusal,
    lookup_pairs,
    submission_pairs,
)
from cli.commands.client.lines import input as line_input
from cli.commands.client.lines.json_line import InvalidLineError, parse_line, read_entries
from cli.errors import StackError

LINE = {"fingerprint": "AQAA", "duration": 12}


def encode(*lines: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def reasons(items: Iterator[Item]) -> dict[int, str]:
    return {each.position: each.reason for each in items if isinstance(each, Refusal)}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: bytes) -> Path:
        path = tmp_path / "lines.jsonl"
        path.write_bytes(content)
        return path

    return write


def test_lines_are_numbered_and_blank_ones_are_left_out(write: Any) -> None:
    path = write(b"\n  \r\n" + encode(LINE) + b"\t\n" + json.dumps(LINE).encode())
    assert [(each.position, each.name) for each in read_entries(path)] == [
        (3, "line 3"),
        (5, "line 5"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "the number 1e400 is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number has 5000 digits"),
        (rb'{"a": "\ud800"}', "a lone surrogate"),
        (rb'{"\udfff": 1}', "a lone surrogate"),
        (rb'{"a": ["x\u0000y"]}', "a NUL character"),
        (b'{"a": "\0"}', "not valid JSON: Invalid control character"),
        (b'{"a": "\xff"}', "byte 8 is not valid UTF-8"),
        ("{}".encode("utf-16"), "byte 1 is not valid UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{} {}", "not valid JSON: Extra data at character 4"),
        (b'{"a": 1', "not valid JSON: Expecting ',' delimiter"),
    ],
)
def test_the_reason_of_an_invalid_line(line: bytes, reason: str) -> None:
    with pytest.raises(InvalidLineError) as caught:
        parse_line(line)
    assert reason in str(caught.value)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_line(rb'{"a": "\ud83c\udfb5"}') == {"a": "\N{MUSICAL NOTE}"}


@settings(max_examples=50, deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_an_object_or_an_invalid_line(line: bytes) -> None:
    with suppress(InvalidLineError):
        assert isinstance(parse_line(line), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from(["fingerprint", "duration", "mbid", "track", "year", "format", "x"])


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(FIELDS, JSON))
def test_any_object_has_parameters_or_a_reason(fields: dict[str, Any]) -> None:
    entry = Entry(1, "line 1", b"", fields)
    for pairs_of in (lookup_pairs, submission_pairs):
        with suppress(InvalidEntryError):
            pairs = pairs_of(entry)
            assert {"fingerprint", "duration"} <= dict(pairs).keys()
            assert all(value for _, value in pairs)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.integers(0, 40))
def test_any_file_yields_items_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, packed: bool, cut: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "lines"
    data = gzip.compress(content) if packed else content
    path.write_bytes(data[: len(data) - cut])
    with suppress(StackError):
        positions = [each.position for each in read_entries(path)]
        assert positions == sorted(set(positions))


def test_a_byte_order_mark_is_not_part_of_the_first_line(write: Any) -> None:
    assert reasons(read_entries(write(b"\xef\xbb\xbf" + encode(LINE)))) == {}


def test_gzip_is_recognised_by_its_content(write: Any) -> None:
    members = gzip.compress(encode(LINE)) + gzip.compress(encode(LINE)) + b"\0" * 512
    found = list(read_entries(write(members)))
    assert [each.position for each in found] == [1, 2]
    assert reasons(iter(found)) == {}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1000], "the gzip data ends early"),
        (lambda data: data[:5], "the gzip data ends early"),
        (lambda data: data + b"more", "the gzip data is damaged"),
    ],
)
def test_a_damaged_gzip_file_is_an_error_after_its_complete_lines(
    write: Any, spoil: Any, reason: str
) -> None:
    content = encode(*({**LINE, "id": number} for number in range(2000)))
    items = read_entries(write(spoil(gzip.compress(content))))
    found: list[Item] = []
    with pytest.raises(StackError) as caught:
        found.extend(each for each in items)
    assert str(caught.value).startswith(f"line {len(found) + 1}: {reason}")
    assert reasons(iter(found)) == {}


def test_a_line_that_is_too_long_is_refused_alone(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_input, "MAX_LINE", 100_000)
    path = write(encode(LINE, {"x": "y" * 200_000}, LINE))
    found = reasons(read_entries(path))
    assert list(found) == [2]
    assert "it has 200009 bytes" in found[2]


def test_another_kind_of_file_is_an_error(write: Any) -> None:
    path = write(os.urandom(10) + b"\n" * 5 + b"\x7fELF\n" * 2000)
    with pytest.raises(StackError, match="have no JSON object"):
        list(read_entries(path))
    assert len(reasons(read_entries(write(encode(LINE) + b"x\n" * 2000)))) == 2000


def test_lines_are_read_while_the_input_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    first_is_read = threading.Event()

    def write() -> None:
        with pipe.open("wb", buffering=0) as stream:
            stream.write(encode(LINE))
            assert first_is_read.wait(20)
            stream.write(encode(LINE))

    writer = threading.Thread(target=write)
    writer.start()
    items = read_entries(pipe)
    assert next(items).position == 1
    first_is_read.set()
    assert [each.position for each in items] == [2]
    writer.join()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be read: Is a directory"):
        list(read_entries(tmp_path))
