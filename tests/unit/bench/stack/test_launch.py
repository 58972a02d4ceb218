"""The catalogue in the data directory of a benchmark."""

from pathlib import Path

import pytest

from bench.catalogue.content import BenchCatalogue
from bench.stack.launch import CONTENT, check_content
from cli.errors import StackError
from cli.stack.data_directory import DataDir

CATALOGUE = BenchCatalogue(300, seed=1)


def test_an_empty_directory_is_to_be_loaded(tmp_path: Path) -> None:
    assert not check_content(DataDir.at(tmp_path), CATALOGUE)


def test_the_same_catalogue_is_used_again(tmp_path: Path) -> None:
    (tmp_path / CONTENT).write_text('{"fingerprints": 300, "seed": 1}')
    assert check_content(DataDir.at(tmp_path), CATALOGUE)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"fingerprints": 500, "seed": 1}', "contains 500 fingerprints of seed 1"),
        ("", "is damaged"),
        ("[]", "is damaged"),
        ('{"seed": 1}', "is damaged"),
    ],
)
def test_another_content_is_an_error(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / CONTENT).write_text(content)
    with pytest.raises(StackError, match=text):
        check_content(DataDir.at(tmp_path), CATALOGUE)


def test_the_data_of_another_stack_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "acoustid.conf").write_text("")
    with pytest.raises(StackError, match="does not belong to a benchmark"):
        check_content(DataDir.at(tmp_path), CATALOGUE)
