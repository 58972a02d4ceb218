"""Tests that ``docs/api.md`` has exactly the paths, parameters and errors of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.errors import ApiError, MissingParameterError
from api.openapi.operations import OPERATIONS
from api.openapi.parameters import PARAMETERS
from api.routes import ROUTES, V1_ROUTES

DOCUMENT = Path(__file__).parents[4] / "docs" / "api.md"


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each path that a heading names, with the text below it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for block in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, rest = block.partition("\n")
        if match := re.fullmatch(r"`(/.*)`", heading):
            yield match[1], rest


def rows(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield the names in the first cell of each row, and the second cell."""
    for names, note in re.findall(r"^\| (`.+?`) \| (.*?) ?\|", text, flags=re.MULTILINE):
        yield re.findall(r"`(\w+)`", names), note


def test_every_path_has_a_heading() -> None:
    assert sorted(path for path, _ in blocks()) == sorted([*ROUTES, *V1_ROUTES])


@pytest.mark.parametrize("path", sorted(OPERATIONS))
def test_every_parameter_has_a_row(path: str) -> None:
    found = {name: note for names, note in rows(dict(blocks())[path]) for name in names}
    operation = OPERATIONS[path]
    assert set(found) == set(operation.parameters)
    for name, note in found.items():
        assert note.startswith("required") or name not in operation.required, name
        assert "numbered" not in note or PARAMETERS[name].is_numbered, name


def test_every_error_has_a_row() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^\| (\d+) \| (\d+)\S* .*\| `(\w[\w ]+)", text, flags=re.MULTILINE)
    known = {(error.code, error.status) for error in ApiError.__subclasses__()}
    assert {(int(code), int(status)) for code, status, _ in found} == known
    assert MissingParameterError("client").status == 401
