"""Parameters are parsed with the leniency of the public service, without exceptions."""

from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import parse_qsl, quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import RequestTooLargeError
from api.http.parameters import (
    MAX_PAIRS,
    Parameters,
    is_foreign_id,
    parse_int,
    parse_pairs,
    parse_seconds,
    parse_uuid,
    suffixed,
)

MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000001"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("241", 241),
        (" 241 ", 241),
        ("\t241\n", 241),
        ("+241", 241),
        ("-1", -1),
        ("007", 7),
        ("1_000", 1000),
        ("", None),
        ("abc", None),
        ("241.6", None),
        ("0x10", None),
        ("1e3", None),
        ("²", None),
        ("٣", 3),
        ("１", 1),  # noqa: RUF001 - a full-width one
        ("- 1", None),
        ("1__0", None),
        ("9" * 5000, None),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    assert parse_int(text) == number


@given(st.integers(min_value=-(10**50), max_value=10**50))
def test_all_numbers_round_trip(number: int) -> None:
    assert parse_int(f" {number} ") == number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("223.89", 224),
        ("223.5", 224),
        ("223.49999999999999999", 223),
        ("0.5", 1),
        ("0.4", 0),
        ("32767.4", 32767),
        ("32767.5", 32768),
        (" 223.0\n", 223),
        ("+007.9", 8),
        ("-1.5", -2),
        ("-0.4", 0),
        ("-0.9", -1),
        ("241", 241),
        ("٣", 3),
        ("9" * 60, int("9" * 60)),
        ("1." + "9" * 98, 2),
        ("1." + "9" * 99, None),
        ("9" * 10_000, None),
        ("9" * 10_000 + ".5", None),
        ("0." + "9" * 1_000_000, None),
        ("", None),
        (".", None),
        ("223.", None),
        (".5", None),
        ("223,89", None),
        ("1.5.5", None),
        ("1 .5", None),
        ("1_0.5", None),
        ("- 1.5", None),
        ("2.5e1", None),
        ("1e3", None),
        ("1E400", None),
        ("0x1.8p1", None),
        ("inf", None),
        ("Infinity", None),
        ("nan", None),
        ("٣.٥", None),  # noqa: RUF001 - Arabic digits
        ("3．5", None),  # noqa: RUF001 - a full-width dot
        ("223.89s", None),
        ("3:43", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert parse_seconds(text) == seconds
    assert Parameters([("duration.1", text)]).get_seconds("duration.1") == seconds
    assert Parameters().get_seconds("duration") is None


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_durations_are_rounded_half_up(exact: Decimal) -> None:
    assert parse_seconds(f"{exact:f}") == int(exact.to_integral_value(ROUND_HALF_UP))


@given(st.text())
def test_any_text_is_parsed_without_an_exception(text: str) -> None:
    parse_int(text)
    parse_seconds(text)
    parse_uuid(text)
    is_foreign_id(text)


def test_get_returns_the_first_value() -> None:
    parameters = Parameters([("id", "1"), ("x", "y"), ("id", "2")])
    assert parameters.get("id") == "1"
    assert parameters.get_int("id") == 1
    assert parameters.get_all("id") == ["1", "2"]
    assert parameters.get("nothing") is None
    assert parameters.get_all("nothing") == []
    assert list(parameters) == ["id", "x"]


def test_get_text_removes_nul_and_cuts() -> None:
    parameters = Parameters([("version", "1\x002"), ("long", "é" * 300), ("empty", "")])
    assert parameters.get_text("version") == "1 2"
    assert parameters.get_text("long") == "é" * 255
    assert parameters.get_text("long", 3) == "ééé"
    assert parameters.get_text("empty") is None


@pytest.mark.parametrize(
    ("names", "suffixes"),
    [
        (["fingerprint"], [None]),
        (["fingerprint.1", "fingerprint.0", "fingerprint"], [None, 0, 1]),
        (["fingerprint.10", "fingerprint.9"], [9, 10]),
        (["fingerprint.007"], [7]),
        (["fingerprint.7", "trackid.7", "trackid.2"], [2, 7]),
        (["fingerprint.", "fingerprint.x", "fingerprint.1.2", "fingerprint.-1"], []),
        (["fingerprint.²", "fingerprint.٣"], []),
        (["fingerprint." + "9" * 5000], []),
        (["fingerprintx", "duration.3", "xfingerprint.1"], []),
    ],
)
def test_suffixes(names: list[str], suffixes: list[int | None]) -> None:
    parameters = Parameters((name, "x") for name in names)
    assert parameters.suffixes("fingerprint", "trackid") == suffixes


@given(st.sets(st.integers(min_value=0, max_value=10**9)))
def test_suffixes_are_ascending(numbers: set[int]) -> None:
    parameters = Parameters((suffixed("fingerprint", number), "x") for number in numbers)
    assert parameters.suffixes("fingerprint") == sorted(numbers)


def test_pairs_keep_empty_values_and_replace_invalid_utf8() -> None:
    assert parse_pairs("a=1&b=&c&a=%C3%A9+x&d=%ff") == [
        ("a", "1"),
        ("b", ""),
        ("c", ""),
        ("a", "é x"),
        ("d", "\ufffd"),
    ]


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_pairs_round_trip(pairs: list[tuple[str, str]]) -> None:
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    assert parse_pairs(text) == pairs


@given(st.text(alphabet="ab=&+%1é ;"))
def test_pairs_equal_those_of_the_standard_library(text: str) -> None:
    assert parse_pairs(text) == parse_qsl(text, keep_blank_values=True, errors="replace")


def test_too_many_pairs_are_refused() -> None:
    assert len(parse_pairs("&".join(["a=1"] * MAX_PAIRS))) == MAX_PAIRS
    with pytest.raises(RequestTooLargeError):
        parse_pairs("&".join(["a=1"] * (MAX_PAIRS + 1)))


@pytest.mark.parametrize("text", [MBID, MBID.upper()])
def test_uuids_are_parsed_in_either_case(text: str) -> None:
    assert parse_uuid(text) == UUID(MBID)


@pytest.mark.parametrize(
    "text",
    ["", "x", MBID.replace("-", ""), "{" + MBID + "}", f"urn:uuid:{MBID}", MBID + "\n", MBID[:-1]],
)
def test_other_forms_of_uuids_are_refused(text: str) -> None:
    assert parse_uuid(text) is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("spotify:1a", True),
        ("a1:b:c", True),
        ("vendor:é", True),
        ("vendor:", False),
        (":id", False),
        ("Vendor:id", False),
        ("vendor", False),
        ("", False),
    ],
)
def test_foreign_ids(text: str, is_one: bool) -> None:
    assert is_foreign_id(text) is is_one
