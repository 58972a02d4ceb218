"""The tables in `docs/identification.md`."""

import re
from pathlib import Path

import pytest

from bench.identification.document import TITLES, read_tables, replace_tables
from bench.identification.plots import FALSE_MATCHES, RECALL
from cli.errors import StackError

DOCUMENT = Path(__file__).parents[4] / "docs" / "identification.md"
TABLE = "| a |\n| --- |\n| 1 |"


def document(*names: str) -> str:
    marked = (f"Text of {name}.\n\n<!-- evaluate: {name} -->\n<!-- end -->\n" for name in names)
    return "# Title\n\n" + "\n".join(marked)


def test_tables_are_written_between_their_markers_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(document(*TITLES))
    replace_tables(path, dict.fromkeys(TITLES, "old"))
    replace_tables(path, {name: f"{TABLE} of {name}" for name in TITLES})
    assert read_tables(path) == {name: f"{TABLE} of {name}" for name in TITLES}
    text = path.read_text()
    assert "old" not in text
    assert text.count("Text of ") == len(TITLES)


@pytest.mark.parametrize("names", [["run"], ["run", "kinds", "kinds"]])
def test_a_document_without_a_marker_is_not_changed(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "page.md"
    path.write_text(document(*names))
    with pytest.raises(StackError, match="must have the line <!-- evaluate: kinds --> once"):
        replace_tables(path, {"run": TABLE, "kinds": TABLE})
    assert path.read_text() == document(*names)


def rows_of(name: str) -> list[list[str]]:
    """Return the cells of the rows below the head of a table of the document."""
    lines = read_tables(DOCUMENT)[name].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_document_has_all_tables_and_charts() -> None:
    found = read_tables(DOCUMENT)
    assert [name for name in TITLES if len(found.get(name, "").splitlines()) < 3] == []
    for chart in (RECALL, FALSE_MATCHES):
        assert f"({chart})" in DOCUMENT.read_text(encoding="utf-8")
        assert DOCUMENT.with_name(chart).stat().st_size > 10_000


def test_the_tables_of_the_document_have_each_kind_of_an_excerpt_and_of_a_copy() -> None:
    kinds = {row[0].strip("`") for row in rows_of("kinds")}
    assert kinds >= {f"excerpt{seconds}s" for seconds in (5, 10, 15, 20, 30)}
    assert kinds >= {"phone", "mic", "tempo0.96", "tempo1.04", "speed0.99", "speed1.01", "edit20s"}
    assert kinds == {row[0].strip("`") for row in rows_of("cost")}
    assert [row for row in rows_of("kinds") if not re.fullmatch(r"[01]\.\d{3}", row[2])] == []


def test_the_tables_of_the_document_are_of_a_large_catalogue_and_many_pieces() -> None:
    (run,) = rows_of("run")
    distractors = int(run[2].replace(",", ""))
    assert distractors >= 100_000
    small, large = rows_of("false-matches")
    assert small[0] == run[0]
    assert int(large[0].replace(",", "")) == int(run[0]) + distractors
    assert all(int(row[2].replace(",", "")) >= 10_000 for row in (small, large))
