"""Tables and fields are aligned, and contain nothing that a terminal interprets."""

import json
from datetime import UTC, date, datetime

import pytest

from cli.text_table import echo_fields, echo_json, echo_table, show_value

TIME = datetime(2026, 1, 31, 12, 5, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (2.5, "2.5"),
        (20.0, "20"),
        (TIME, "2026-01-31 12:05"),
        (date(2026, 1, 31), "2026-01-31"),
        ("Ångström", "Ångström"),
        ("a\x1b[31m\nb\u202e", "a?[31m b?"),
    ],
)
def test_a_value_is_one_line(value: object, text: str) -> None:
    assert show_value(value) == text


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("id", "long_name"), [{"id": 1, "long_name": "x"}, {"id": 1000, "long_name": None}])
    assert capsys.readouterr().out == "id    long name\n1     x\n1000  -\n"


def test_a_list_of_a_field_has_a_line_for_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    echo_fields({"name": "x", "old_keys": ["a", "b"], "none": []})
    assert capsys.readouterr().out == "name      x\nold keys  a\n          b\nnone      -\n"


def test_times_in_json_are_iso_8601(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"at": TIME, "on": date(2026, 1, 31)})
    found = json.loads(capsys.readouterr().out)
    assert found == {"at": "2026-01-31T12:05:59+00:00", "on": "2026-01-31"}
