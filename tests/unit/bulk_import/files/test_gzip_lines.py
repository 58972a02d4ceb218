"""Lines of a gzipped file are read as they are, and damage is named with its line."""

import gzip
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bulk_import.files.reading.gzip_lines import MAX_LINE, Line, read_lines


def lines_of(data: bytes) -> list[Line]:
    return list(read_lines(io.BytesIO(data)))


@given(st.lists(st.binary().map(lambda each: each.replace(b"\n", b""))), st.booleans())
def test_lines_are_read_as_they_were_written(contents: list[bytes], ends: bool) -> None:
    data = gzip.compress(b"".join(each + b"\n" for each in contents) + b"x" * ends)
    assert lines_of(data) == [
        Line(number, each) for number, each in enumerate([*contents, *[b"x"] * ends], 1)
    ]


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_a_file_of_several_members_is_one_text(content: bytes, first: int, second: int) -> None:
    start, end = sorted((first, second))
    parts = content[:start], content[start:end], content[end:]
    whole = lines_of(gzip.compress(content))
    assert lines_of(b"".join(map(gzip.compress, parts)) + bytes(20)) == whole


@given(st.data())
def test_a_cut_file_ends_with_a_problem(data: st.DataObject) -> None:
    whole = gzip.compress(b"one\ntwo\nthree\n")
    cut = data.draw(st.integers(0, len(whole) - 1))
    *before, last = lines_of(whole[:cut])
    assert [line.content for line in before] == [b"one", b"two", b"three"][: len(before)]
    assert last.problem is not None
    assert last.number == len(before) + 1


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_damaged_file_never_gives_wrong_lines(place: int, mask: int) -> None:
    whole = bytearray(gzip.compress(b"".join(b"line %d\n" % each for each in range(100))))
    # The first 10 bytes are the header, of which gzip ignores some.
    place += 10
    whole[place] ^= mask
    lines = lines_of(bytes(whole))
    if lines[-1].problem is None:
        assert [line.content for line in lines] == [b"line %d" % each for each in range(100)]


@pytest.mark.parametrize("data", [b"", b"{}\n", gzip.compress(b"a\n", mtime=0) + b"trailing"])
def test_another_file_is_a_problem(data: bytes) -> None:
    assert lines_of(data)[-1].problem is not None


def test_a_line_that_is_too_long_is_left_out() -> None:
    endless = b"[" * (MAX_LINE + 1)
    lines = lines_of(gzip.compress(b"first\n" + endless + b"\nlast\n"))
    assert [line.problem is None for line in lines] == [True, False, True]
    assert lines[2] == Line(3, b"last")
    assert len(lines[1].content) <= 1024


def test_the_longest_line_is_read() -> None:
    line = b" " * MAX_LINE
    assert lines_of(gzip.compress(line + b"\n")) == [Line(1, line)]


def test_an_endless_line_takes_little_memory() -> None:
    bomb = io.BytesIO(gzip.compress(bytes(20 * MAX_LINE)))
    tracemalloc.start()
    try:
        [line] = read_lines(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.problem is not None
    assert most < 4 * MAX_LINE
