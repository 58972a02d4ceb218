"""Tests of the parameters of a lookup: suffixes, errors and sizes as in the public service."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import (
    ApiError,
    InvalidDurationError,
    InvalidFingerprintError,
    InvalidMaxDurationDiffError,
    InvalidUUIDError,
    MissingParameterError,
    RequestTooLargeError,
)
from api.http.parameters import Parameters
from api.http.skipped_items import MAX_SKIPPED
from api.lookups.request import LookupRequest, parse_lookup

WORD = "AQAAAQcZ"  # one word, 0x80000000
GID = "0a1b2c3d-0000-4000-8000-00000000000A"


def parse(**form: Any) -> LookupRequest:
    """Parse a lookup; `fingerprint_1` stands for ``fingerprint.1``."""
    return parse_lookup(Parameters((name.replace("_", "."), str(form[name])) for name in form))


def numbers(request: LookupRequest) -> list[int | None]:
    return [number for number, _ in request.lookups()]


def test_a_fingerprint_is_unpacked_and_left_for_the_worker_to_decode() -> None:
    ((number, lookup),) = parse(fingerprint=WORD, duration=" +241").lookups()
    assert number is None
    assert lookup.fingerprint == bytes.fromhex("010000010719")
    assert (lookup.duration, lookup.max_duration_diff) == (241, 7)
    assert lookup.track_gid == ""


def test_a_track_id_keeps_its_spelling_and_wins_over_a_fingerprint() -> None:
    ((_, lookup),) = parse(trackid=GID, fingerprint="!", duration="x").lookups()
    assert lookup.track_gid == GID
    assert lookup.fingerprint == b""


def test_an_empty_track_id_is_none() -> None:
    ((_, lookup),) = parse(trackid="", fingerprint=WORD, duration=3).lookups()
    assert lookup.track_gid == ""


@pytest.mark.parametrize("text", [WORD + "==", WORD + "\n", WORD + "AAAA", WORD + "-_"])
def test_fingerprints_of_the_public_service_are_accepted(text: str) -> None:
    assert numbers(parse(fingerprint=text, duration=3)) == [None]


@pytest.mark.parametrize(
    ("duration", "error", "code"),
    [
        ("0", MissingParameterError, 2),
        ("", MissingParameterError, 2),
        ("abc", MissingParameterError, 2),
        ("0.4", MissingParameterError, 2),
        ("241,6", MissingParameterError, 2),
        ("241.", MissingParameterError, 2),
        ("1e3", MissingParameterError, 2),
        ("inf", MissingParameterError, 2),
        ("-1", InvalidDurationError, 8),
        ("-1.5", InvalidDurationError, 8),
        ("32768", InvalidDurationError, 8),
        ("32767.5", InvalidDurationError, 8),
        ("9" * 60, InvalidDurationError, 8),
    ],
)
def test_invalid_durations(duration: str, error: type[ApiError], code: int) -> None:
    with pytest.raises(error, match='"duration"') as caught:
        parse(fingerprint=WORD, duration=duration)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("duration", "seconds"), [("223.89", 224), ("223.49", 223), ("223.5", 224), (" +0.5 ", 1)]
)
def test_a_fraction_of_a_duration_is_rounded(duration: str, seconds: int) -> None:
    request = parse(fingerprint_1=WORD, duration_1=duration)
    assert [lookup.duration for _, lookup in request.lookups()] == [seconds]


@pytest.mark.parametrize("duration", ["1", "0.5", "32767", "32767.4"])
def test_the_longest_and_shortest_duration(duration: str) -> None:
    assert numbers(parse(fingerprint=WORD, duration=duration)) == [None]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (" " + WORD, "white space"),
        ("A", "too short"),
        ("AgAAAQcZ", "algorithm byte is 2"),
        ("!!!!", "algorithm byte is 0"),
    ],
)
def test_invalid_fingerprints(text: str, hint: str) -> None:
    with pytest.raises(InvalidFingerprintError, match=hint):
        parse(fingerprint=text, duration=3)


def test_without_a_fingerprint_and_a_track_id_the_fingerprint_is_missing() -> None:
    for form in ({}, {"duration": 3}, {"fingerprint_x": WORD}, {"fingerprint_²": WORD}):
        with pytest.raises(MissingParameterError, match='"fingerprint"'):
            parse(**form)
    with pytest.raises(MissingParameterError, match='"fingerprint"'):
        parse(fingerprint="", duration=3)


def test_a_bad_track_id_is_named_with_its_suffix() -> None:
    with pytest.raises(InvalidUUIDError, match=r'"trackid\.7"'):
        parse(trackid_7="x")


def test_leading_zeros_of_a_suffix_are_dropped_from_the_names() -> None:
    with pytest.raises(MissingParameterError, match=r'"duration\.7"'):
        parse(fingerprint_007=WORD, duration_007=3)


def test_a_bad_item_is_left_out_wherever_it_is() -> None:
    request = parse(fingerprint_0=WORD, duration_0=3, fingerprint_1=WORD, duration_1="x", batch=1)
    assert numbers(request) == [0]
    request = parse(fingerprint_0="!", duration_0=3, fingerprint_1=WORD, duration_1=3, batch=1)
    assert numbers(request) == [1]


def test_the_error_of_the_last_item_is_reported() -> None:
    with pytest.raises(InvalidDurationError, match=r'"duration\.9"'):
        parse(fingerprint_3="!", duration_3=3, fingerprint_9=WORD, duration_9=-1)


def test_without_batch_only_the_last_of_invalid_items_in_a_row_is_kept() -> None:
    bad = {f"fingerprint_{number}": "" for number in (*range(5), *range(6, 9))}
    request = parse(**bad, fingerprint_5=WORD, duration_5=3)
    assert [number for number, _ in request.items] == [4, 5, 8]


def test_a_batch_keeps_a_limited_number_of_invalid_items() -> None:
    bad = {f"fingerprint_{number}": "" for number in range(MAX_SKIPPED + 5)}
    request = parse(**bad, trackid_7=GID, batch=1)
    kept = [number for number, query in request.items if isinstance(query, ApiError)]
    expected = [number for number in range(MAX_SKIPPED + 1) if number != 7]
    assert kept == [*expected, MAX_SKIPPED + 4]
    with pytest.raises(MissingParameterError, match=rf'"duration\.{MAX_SKIPPED + 4}"'):
        parse(**bad, batch=1)


def test_suffixes_have_gaps_and_the_bare_name_comes_first() -> None:
    form = {"fingerprint_7": WORD, "duration_7": 3, "trackid_2": GID}
    request = parse(fingerprint=WORD, duration=3, batch=1, **form)
    assert numbers(request) == [None, 2, 7]


@pytest.mark.parametrize(
    ("given", "used"), [("1", 1), ("30", 30), (" 5 ", 5), ("abc", 7), ("", 7), ("1.5", 7)]
)
def test_the_duration_tolerance(given: str, used: int) -> None:
    ((_, lookup),) = parse(fingerprint=WORD, duration=3, maxdurationdiff=given).lookups()
    assert lookup.max_duration_diff == used


@pytest.mark.parametrize("given", ["0", "31", "-1"])
def test_a_tolerance_out_of_range(given: str) -> None:
    with pytest.raises(InvalidMaxDurationDiffError):
        parse(fingerprint=WORD, duration=3, maxdurationdiff=given)


@pytest.mark.parametrize(
    ("given", "on"), [("1", True), ("2", True), ("-1", True), ("0", False), ("yes", False)]
)
def test_batch(given: str, on: bool) -> None:
    assert parse(trackid=GID, batch=given).batch is on


@pytest.mark.parametrize(
    ("given", "default", "on"),
    [
        (None, False, False),
        (None, True, True),
        ("x", True, True),
        ("0", True, False),
        ("1", False, True),
    ],
)
def test_the_second_chance_has_a_default(given: str | None, default: bool, on: bool) -> None:
    pairs = [("fingerprint", WORD), ("duration", "3")]
    pairs += [] if given is None else [("second_chance", given)]
    request = parse_lookup(Parameters(pairs), second_chance=default)
    ((_, lookup),) = request.lookups()
    assert (request.second_chance, lookup.second_chance, lookup.excerpt) == (on, on, False)


def test_an_excerpt_needs_no_duration_and_gets_no_second_chance() -> None:
    request = parse(fingerprint=WORD, fingerprint_1=WORD, duration_1=9, excerpt=1, second_chance=1)
    assert (request.excerpt, request.second_chance) == (True, False)
    lookups = [lookup for _, lookup in request.lookups()]
    assert [(each.duration, each.excerpt, each.second_chance) for each in lookups] == [
        (0, True, False),
        (9, True, False),
    ]


@pytest.mark.parametrize("duration", ["-1", "32768"])
def test_the_duration_of_an_excerpt_has_the_same_range(duration: str) -> None:
    with pytest.raises(InvalidDurationError, match='"duration"'):
        parse(fingerprint=WORD, duration=duration, excerpt=1)


def test_version_1_knows_neither_excerpts_nor_a_second_chance() -> None:
    pairs = [("fingerprint", WORD), ("length", "3"), ("excerpt", "1"), ("second_chance", "1")]
    request = parse_lookup(Parameters(pairs), version=1, second_chance=True)
    ((_, lookup),) = request.lookups()
    assert (request.excerpt, request.second_chance) == (False, False)
    assert (lookup.excerpt, lookup.second_chance) == (False, False)


def test_the_words_of_meta_are_normalized() -> None:
    assert parse(trackid=GID).meta == ""
    assert parse(trackid=GID, meta="2").meta == "m2"
    assert parse(trackid=GID, meta="releases recordings x").meta == "recordings releases"


def many(stem: str, count: int, batch: int) -> LookupRequest:
    pairs = [(f"{stem}.{number}", GID if stem == "trackid" else WORD) for number in range(count)]
    pairs += [(f"duration.{number}", "3") for number in range(count)]
    return parse_lookup(Parameters([*pairs, ("batch", str(batch))]))


@pytest.mark.parametrize(("stem", "most"), [("fingerprint", 20), ("trackid", 100)])
def test_a_batch_has_a_size(stem: str, most: int) -> None:
    many(stem, most, batch=1).check_size()
    with pytest.raises(RequestTooLargeError, match=str(most)):
        many(stem, most + 1, batch=1).check_size()
    many(stem, most + 1, batch=0).check_size()


NAMES = ("fingerprint", "duration", "trackid", "meta", "batch", "maxdurationdiff", "excerpt")
names = st.tuples(st.sampled_from(NAMES), st.sampled_from(["", ".0", ".1", ".²", "."])).map("".join)
values = st.one_of(st.text(), st.sampled_from([WORD, GID, "3", "-1", "1"]))


@given(st.lists(st.tuples(names, values)))
def test_any_parameters_are_parsed_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        request = parse_lookup(Parameters(pairs))
    except ApiError:
        return
    assert list(request.lookups())
