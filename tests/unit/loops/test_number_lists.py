"""Lists of words as text: what is written is read again, and nothing else is read than numbers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.loops.number_lists import read_numbers, write_numbers

LISTS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40)
EDGES = [0, 1, 9, 10, 99, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 10, 2**32 - 1]


def read(text: str) -> list[int] | None:
    found = read_numbers(memoryview(text.encode()))
    return None if found is None else found.tolist()


@settings(deadline=None)  # the first call may compile
@given(LISTS)
def test_words_are_written_as_signed_numbers_and_read_again(values: list[int]) -> None:
    words = np.array(values + EDGES, np.uint32)
    text = write_numbers(words).decode()
    assert json.loads(f"[{text}]") == words.view(np.int32).tolist()
    assert read(text) == words.tolist()


@settings(deadline=None)
@given(LISTS)
def test_unsigned_numbers_with_spaces_are_read(values: list[int]) -> None:
    assert read(f" {str(values)[1:-1]} ") == values


@settings(deadline=None)
@given(st.text("0123456789-+,. e\t[", max_size=30))
def test_only_lists_of_json_are_read(text: str) -> None:
    found = read(text)
    if found is not None:
        assert [each & 0xFFFFFFFF for each in json.loads(f"[{text}]")] == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "1,",
        ",1",
        "1,,2",
        "1 2",
        "-",
        "--1",
        "- 1",
        "+1",
        "01",
        "-01",
        "1.0",
        "1e3",
        "4294967296",
        "-2147483649",
        "99999999999999999999",
        "0x1",
    ],
)
def test_anything_else_is_left_to_the_parser_of_json(text: str) -> None:
    assert read(text) is None


def test_a_view_with_gaps_is_written() -> None:
    assert write_numbers(np.arange(6, dtype=np.uint32)[::2]) == b"0,2,4"


def test_no_words_are_an_empty_text() -> None:
    assert write_numbers(np.empty(0, np.uint32)) == b""
