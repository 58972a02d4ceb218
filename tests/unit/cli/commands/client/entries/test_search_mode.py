"""The parameters of lookups of excerpts and with a second chance."""

import click
import pytest

from cli.commands.client.entries.entry import Entry, InvalidEntryError
from cli.commands.client.entries.search_mode import WHOLE, SearchMode

EXCERPT = SearchMode(excerpt=True)


def entry(**fields: object) -> Entry:
    return Entry(7, "line 7", b"", {"fingerprint": "AQAA", **fields})


def test_the_parameters_of_a_request() -> None:
    assert WHOLE.form == []
    assert EXCERPT.form == [("excerpt", "1")]
    assert SearchMode(second_chance=True).form == [("second_chance", "1")]


@pytest.mark.parametrize("fields", [{}, {"duration": ""}, {"duration": None}])
def test_an_excerpt_needs_no_duration(fields: dict[str, object]) -> None:
    assert EXCERPT.pairs_of(entry(**fields)) == [("fingerprint", "AQAA")]
    for mode in (WHOLE, SearchMode(second_chance=True)):
        with pytest.raises(InvalidEntryError, match="duration is missing"):
            mode.pairs_of(entry(**fields))


def test_the_duration_of_an_excerpt_is_sent_and_checked() -> None:
    pairs = EXCERPT.pairs_of(entry(duration=10.5))
    assert pairs == [("duration", "11"), ("fingerprint", "AQAA")]
    with pytest.raises(InvalidEntryError, match="duration must be"):
        EXCERPT.pairs_of(entry(duration="x"))


def test_an_excerpt_has_no_second_chance() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        SearchMode(excerpt=True, second_chance=True)
