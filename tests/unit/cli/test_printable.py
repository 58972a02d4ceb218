"""Nothing that a terminal interprets is printed."""

import os
from pathlib import Path

import pytest

from cli.printable import printable, printable_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ångström ♫", "Ångström ♫"),
        ("two\nlines\tand\u00a0more", "two lines and more"),
        ("\x1b[2J\u202e\x07\udcff", "?[2J???"),
        (7, "7"),
    ],
)
def test_a_text_is_one_line(text: object, expected: str) -> None:
    assert printable(text) == expected


def test_characters_may_be_kept() -> None:
    assert printable("\ta\x1b\n", keep="\t") == "\ta? "


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a b/\xc3\x85", "a b/Å"),
        (b"m\xfcsic", r"m\xfcsic"),
        (b"two\nlines\x1b[2J", r"two\nlines\x1b[2J"),
        ("left\u202e".encode(), r"left\u202e"),
    ],
)
def test_a_path_has_escapes(name: bytes, expected: str) -> None:
    assert printable_path(Path(os.fsdecode(name))) == expected
