"""Tests of the parameters of a submission: errors, suffixes and rows as in the public service."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import (
    ApiError,
    InvalidUUIDError,
    MissingParameterError,
    RequestTooLargeError,
)
from api.http.parameters import Parameters
from api.http.skipped_items import MAX_SKIPPED
from api.submissions.request import (
    MAX_WORDS,
    NumberedReceipt,
    Submissions,
    Submitter,
    parse_submissions,
)
from pipeline.fingerprint.codec import encode
from pipeline.submission_fields import Receipt
from tests.support.catalogue.synthetic import fingerprint

WORD = "AQAAAQcZ"
MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000001"
OTHER = "5d1f0c5e-1111-4aaa-8aaa-000000000002"
NIL = "00000000-0000-0000-0000-000000000000"
SUBMITTER = Submitter(account_id=3, application_id=4, version="1.0")
NEEDED = "give an MBID, a PUID, or metadata such as track and artist"
MINIMAL: dict[str, Any] = {"fingerprint": WORD, "duration": 241}


def parse_all(**form: Any) -> Submissions:
    """Parse a submission; `mbid_1` stands for ``mbid.1`` and a list for several values."""
    pairs: list[tuple[str, str]] = []
    for name, value in form.items():
        several = value if isinstance(value, list) else [value]
        pairs += [(name.replace("_", "."), str(each)) for each in several]
    return parse_submissions(Parameters(pairs), SUBMITTER)


def parse(**form: Any) -> list[NumberedReceipt]:
    """Return the receipts of a submission."""
    return parse_all(**form).receipts


def skipped(**form: Any) -> list[tuple[int | None, int, str]]:
    """Return number, code and message of each item without a receipt."""
    return [(number, error.code, error.message) for number, error in parse_all(**form).skipped]


def only(**form: Any) -> Receipt:
    ((_, receipt),) = parse(**{**MINIMAL, **form})
    return receipt


def test_a_whole_submission() -> None:
    receipt = only(
        mbid=MBID.upper(),
        puid=OTHER,
        foreignid="vendor:17",
        bitrate="320",
        fileformat="MP3",
        track="A  Track",
        artist="An\x00Artist",
        album="Album",
        albumartist="Others",
        trackno="3",
        discno="1",
        year="1999",
    )
    assert np.array_equal(receipt.words, np.array([0x80000000], np.uint32))
    assert (receipt.account_id, receipt.application_id) == (3, 4)
    assert receipt.application_version == "1.0"
    assert (receipt.length, receipt.bitrate, receipt.format) == (241, 320, "MP3")
    assert (receipt.mbid, receipt.puid) == (UUID(MBID), UUID(OTHER))
    assert receipt.foreignid == "vendor:17"
    assert receipt.meta == {
        "track": "A Track",
        "artist": "An Artist",
        "album": "Album",
        "album_artist": "Others",
        "track_no": 3,
        "disc_no": 1,
        "year": 1999,
    }


def test_there_is_a_receipt_for_each_mbid() -> None:
    found = parse(fingerprint_4=WORD, duration_4=3, mbid_4=[MBID, OTHER, MBID])
    assert [number for number, _ in found] == [4, 4, 4]
    assert [receipt.mbid for _, receipt in found] == [UUID(MBID), UUID(OTHER), UUID(MBID)]


def test_the_nil_uuid_is_ignored() -> None:
    assert parse(**MINIMAL, mbid=NIL) == []
    assert only(mbid=NIL, track="x").mbid is None
    assert only(mbid=[NIL, MBID]).mbid == UUID(MBID)
    assert parse(**MINIMAL, puid=NIL) == []


@pytest.mark.parametrize("mbids", ["", [""], ["", MBID], [MBID, ""], [NIL, ""]])
def test_an_empty_mbid_is_not_a_uuid(mbids: str | list[str]) -> None:
    with pytest.raises(InvalidUUIDError, match=r'"mbid\.3"'):
        parse(fingerprint_3=WORD, duration_3=3, track_3="x", mbid_3=mbids)


@pytest.mark.parametrize("name", ["puid", "foreignid", "bitrate", "fileformat", "album", "year"])
def test_other_optional_parameters_may_be_empty(name: str) -> None:
    assert only(**{"mbid": MBID, name: ""}).mbid == UUID(MBID)


@pytest.mark.parametrize(
    "form", [{}, {"foreignid": "vendor:17"}, {"track": "", "year": "0", "trackno": "x"}]
)
def test_an_item_that_names_no_recording_is_left_out_without_an_error(form: dict[str, str]) -> None:
    assert parse(**MINIMAL, **form) == []


@pytest.mark.parametrize("form", [{"puid": MBID}, {"track": "x"}, {"year": "1999"}])
def test_a_puid_or_a_text_is_enough(form: dict[str, str]) -> None:
    assert only(**form).mbid is None


def test_metadata_that_is_empty_after_cleaning_names_a_recording() -> None:
    assert only(trackno="10001").meta == {}


def test_numbers_above_32_bits_are_dropped() -> None:
    assert only(track="x", year=str(2**31)).meta == {"track": "x"}
    assert only(track="x", year="9" * 50).meta == {"track": "x"}


@pytest.mark.parametrize(("given", "kept"), [("0", None), ("", None), ("x", None), ("1", 1)])
def test_bitrates(given: str, kept: int | None) -> None:
    assert only(mbid=MBID, bitrate=given).bitrate == kept


@pytest.mark.parametrize(("given", "kept"), [("223.89", 224), ("0.5", 1), ("32767.4", 32767)])
def test_a_fraction_of_a_duration_is_rounded(given: str, kept: int) -> None:
    assert only(mbid=MBID, duration=given).length == kept


def test_texts_fit_into_an_index() -> None:
    assert only(mbid=MBID, fileformat="é" * 1000).format == "é" * 255
    assert only(mbid=MBID, fileformat="a\x00b").format == "a b"
    assert only(mbid=MBID, foreignid="v:a\x00b").foreignid == "v:a b"


BAD = {
    "puid": ("x", 7),
    "foreignid": ("x", 10),
    "mbid": ("x", 7),
    "duration": ("x", 2),
    "fingerprint": ("AgAAAQcZ", 3),
    "bitrate": ("-1", 9),
}


@pytest.mark.parametrize("first", range(len(BAD)))
def test_the_order_of_errors(first: int) -> None:
    bad = list(BAD)[first:]
    form = {**MINIMAL, "track": "x", **{name: BAD[name][0] for name in bad}}
    with pytest.raises(ApiError, match=f'"{bad[0]}"') as caught:
        parse(**form)
    assert caught.value.code == BAD[bad[0]][1]


@pytest.mark.parametrize(
    ("form", "code", "name"),
    [
        ({"duration": "0"}, 8, "duration"),
        ({"duration": "-1"}, 8, "duration"),
        ({"duration": "32768"}, 8, "duration"),
        ({"duration": "0.4"}, 8, "duration"),
        ({"duration": "-1.5"}, 8, "duration"),
        ({"duration": "32767.5"}, 8, "duration"),
        ({"duration": "241,6"}, 2, "duration"),
        ({"duration": "nan"}, 2, "duration"),
        ({"bitrate": "32768"}, 9, "bitrate"),
        ({"fingerprint": "AQAAAA"}, 3, "fingerprint"),
        ({"fingerprint": "AQAAAg"}, 3, "fingerprint"),
        ({"fingerprint": " " + WORD}, 3, "fingerprint"),
        ({"fingerprint": ""}, 2, "fingerprint"),
        ({"foreignid": "v:" + "x" * 300}, 10, "foreignid"),
        ({"mbid": [MBID, "x"]}, 7, "mbid"),
    ],
)
def test_invalid_values(form: dict[str, Any], code: int, name: str) -> None:
    with pytest.raises(ApiError, match=f'"{name}"') as caught:
        parse(**{**MINIMAL, "track": "x", **form})
    assert caught.value.code == code


def test_the_error_of_an_empty_fingerprint_has_a_hint() -> None:
    with pytest.raises(ApiError, match="too short"):
        parse(fingerprint="AQAAAA", duration=3, track="x")


def test_without_a_fingerprint_it_is_missing() -> None:
    with pytest.raises(MissingParameterError, match='"fingerprint"'):
        parse(duration=3, track="x", trackid_0=MBID)


def test_an_invalid_item_is_dropped_if_another_is_valid() -> None:
    good = {"fingerprint_1": WORD, "duration_1": 3, "track_1": "x"}
    for bad in (0, 2):
        found = parse(**good, **{f"fingerprint_{bad}": "!", f"duration_{bad}": 3})
        assert [number for number, _ in found] == [1]


def test_the_error_of_the_last_item_is_reported() -> None:
    with pytest.raises(MissingParameterError, match=r'"duration\.5"'):
        parse(fingerprint_0="!", duration_0=3, fingerprint_5=WORD)


def test_an_item_that_names_no_recording_counts_as_valid() -> None:
    assert parse(fingerprint_0=WORD, duration_0=3, fingerprint_1="!", duration_1=3) == []


@pytest.mark.parametrize("bad", BAD)
def test_a_skipped_item_has_the_error_that_it_has_alone(bad: str) -> None:
    form = {"fingerprint_2": WORD, "duration_2": 3, "track_2": "x", f"{bad}_2": BAD[bad][0]}
    with pytest.raises(ApiError) as caught:
        parse(**form)
    alone = (2, caught.value.code, caught.value.message)
    for other in (1, 3):
        good = {f"fingerprint_{other}": WORD, f"duration_{other}": 3, f"track_{other}": "x"}
        assert skipped(**form, **good) == [alone]
        assert [number for number, _ in parse(**form, **good)] == [other]


def test_an_item_that_names_no_recording_is_skipped() -> None:
    for form, number, name in [({}, None, "mbid"), ({"fingerprint_1": WORD}, 1, "mbid.1")]:
        good = {**MINIMAL, **form, "duration_1": 3, **({"track": "x"} if form else {})}
        ((found, code, message),) = skipped(**good)
        assert (found, code) == (number, 2)
        assert message == f'missing required parameter "{name}": {NEEDED}'
    assert skipped(**MINIMAL, mbid=[NIL, MBID]) == []


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"mbid": [NIL]}, "the nil UUID counts as absent"),
        ({"puid": NIL, "foreignid": "v:1"}, "the nil UUID counts as absent"),
        ({"foreignid": "v:1"}, "a foreign id does not suffice"),
    ],
)
def test_an_item_that_names_a_recording_in_vain_gets_the_reason(
    form: dict[str, Any], reason: str
) -> None:
    message = f'missing required parameter "mbid": {reason}; {NEEDED}'
    assert skipped(**MINIMAL, **form) == [(None, 2, message)]


def test_valid_items_are_not_skipped() -> None:
    assert skipped(**MINIMAL, track="x", fingerprint_1=WORD, duration_1=3, puid_1=MBID) == []


def test_a_limited_number_of_skipped_items_is_kept() -> None:
    bad = {f"fingerprint_{number}": "" for number in range(MAX_SKIPPED + 5)}
    found = skipped(**bad, **MINIMAL, track="x")
    assert [number for number, _, _ in found] == list(range(MAX_SKIPPED))
    with pytest.raises(MissingParameterError, match=rf'"duration\.{MAX_SKIPPED + 4}"'):
        parse(**bad)


NAMES = (*BAD, "fileformat", "track", "artist", "trackno", "discno", "year")
names = st.tuples(st.sampled_from(NAMES), st.sampled_from(["", ".0", ".1", ".²"])).map("".join)
values = st.one_of(st.text(), st.sampled_from([WORD, MBID, NIL, "3", "-1", "v:x", "99999999999"]))


@given(st.lists(st.tuples(names, values)))
def test_any_parameters_are_parsed_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        found = parse_submissions(Parameters(pairs), SUBMITTER).receipts
    except ApiError:
        return
    for _, receipt in found:
        assert 1 <= receipt.length <= 32767
        assert len(receipt.words)
        assert receipt.mbid or receipt.puid or receipt.meta is not None
        assert "\0" not in f"{receipt.format}{receipt.foreignid}{receipt.meta}"


def test_the_words_of_a_request_are_limited_with_one_copy_for_each_mbid() -> None:
    """An hour-long fingerprint may have 144 MBIDs."""
    hour = encode(fingerprint(1, words=29_000))
    mbids = [str(UUID(int=number + 1)) for number in range(MAX_WORDS // 29_000 + 1)]
    assert len(parse(fingerprint=hour, duration=3600, mbid=mbids[1:])) == 144
    with pytest.raises(RequestTooLargeError, match="may have 4194304"):
        parse(fingerprint=hour, duration=3600, mbid=mbids)
