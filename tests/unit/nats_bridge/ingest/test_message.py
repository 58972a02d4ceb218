"""Tests of the checks of messages: they agree with those of ``/v2/submit``."""

import json
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from api.http.bodies import MAX_BODY
from api.http.errors import ApiError, InvalidApiKeyError, ServiceUnavailableError
from api.http.parameters import Parameters, parse_pairs
from api.submissions.request import Submitter, parse_submissions
from nats_bridge import headers
from nats_bridge.ingest.message import MAX_ITEMS, CheckedMessage, check_message, header
from pipeline.catalog.app.accounts import Account, Application
from pipeline.fingerprint.codec import encode
from pipeline.submission_fields import COLUMN_FIELDS, SUBMISSION_FIELDS, Kind, Receipt
from tests.support.catalogue.synthetic import fingerprint

if TYPE_CHECKING:
    from api.access.keys import ApiKeys

WORD = "AQAAAQcZ"
MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000001"
NIL = "00000000-0000-0000-0000-000000000000"
GIVEN = {headers.CLIENT: "client", headers.USER: "user"}
EXAMPLES = 50  # of a property
REPEATABLE = {each.parameter for each in SUBMISSION_FIELDS if each.kind is Kind.UUIDS}


class Keys:
    """The holders of two keys; `fails` is raised instead."""

    def __init__(self, fails: Exception | None = None) -> None:
        self._fails = fails

    def application(self, parameters: Parameters, deadline: float) -> Application:  # noqa: ARG002
        """Return the application of the key ``client``."""
        if self._fails:
            raise self._fails
        if parameters.get("client") != "client":
            raise InvalidApiKeyError("unknown")
        return cast("Application", type("Holder", (), {"id": 4}))

    def account(self, parameters: Parameters, deadline: float) -> Account:  # noqa: ARG002
        """Return any account."""
        return cast("Account", type("Holder", (), {"id": 3}))


def check(body: object, given_headers: dict[str, str] | None = None) -> CheckedMessage:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    keys = cast("ApiKeys", Keys())
    return check_message(raw, GIVEN if given_headers is None else given_headers, keys, 0.0)


def codes(checked: CheckedMessage) -> list[tuple[int | None, int]]:
    return [(each.index, each.error.code) for each in checked.refused]


def plain(receipt: Receipt) -> dict[str, Any]:
    """Return the values of a receipt, which can be compared."""
    columns = {name: getattr(receipt, name) for name in COLUMN_FIELDS}
    others = (receipt.account_id, receipt.application_id, receipt.application_version)
    return columns | {"words": receipt.words.tolist(), "meta": receipt.meta, "others": others}


def by_http(form: dict[str, Any]) -> list[dict[str, Any]] | int:
    """Return the receipts of a form, or the code of its error."""
    parameters = Parameters(parse_pairs(urlencode(form, doseq=True, errors="surrogatepass")))
    submitter = Submitter(3, 4, parameters.get_text("clientversion"))
    try:
        found = parse_submissions(parameters, submitter)
    except ApiError as error:
        return error.code
    if found.skipped:
        return found.skipped[0].error.code
    return [plain(each.receipt) for each in found.receipts]


def by_nats(item: dict[str, Any]) -> list[dict[str, Any]] | int:
    checked = check(item)
    if checked.refused:
        return checked.refused[0].error.code
    return [plain(each) for each in checked.receipts]


TEXTS = st.text(max_size=20) | st.just("x" * 300)  # without surrogates, which no form has
UUIDS = st.sampled_from([MBID, MBID.upper(), NIL, "", "x"]) | st.uuids().map(str)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.FINGERPRINT: st.sampled_from([WORD, "", "x", "AAAAAA"]),
    Kind.DURATION: st.sampled_from([1, 241, "241", 0, 32767.4, 0.5, 99999, "1_0", " 7 ", 1e30]),
    Kind.BITRATE: st.sampled_from([0, 320, "320", -1, 40000, 1.5]),
    Kind.TEXT: TEXTS,
    Kind.UUID: UUIDS,
    Kind.UUIDS: UUIDS | st.lists(UUIDS, min_size=1, max_size=3),
    Kind.FOREIGN_ID: st.sampled_from(["a:1", "a:\0", "A:1", "a:" + "x" * 300, ""]) | TEXTS,
    Kind.METADATA_TEXT: TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    Kind.METADATA_NUMBER: st.integers() | st.integers().map(str) | st.just(10**4000) | TEXTS,
}
ITEMS = st.fixed_dictionaries(
    {
        "fingerprint": st.just(WORD) | VALUES[Kind.FINGERPRINT],
        "duration": st.just(241) | VALUES[Kind.DURATION],
    },
    optional={
        **{
            each.parameter: VALUES[each.kind]
            for each in SUBMISSION_FIELDS
            if each.kind not in (Kind.FINGERPRINT, Kind.DURATION)
        },
        "clientversion": TEXTS,
        "unknown": TEXTS,
    },
)


@settings(deadline=None, max_examples=EXAMPLES)
@given(ITEMS)
@example({"fingerprint": WORD, "duration": 241})
@example({"duration": 241, "mbid": MBID})
@example({"fingerprint": WORD, "duration": 241, "mbid": [MBID, NIL], "track": "a\0b"})
def test_an_object_and_the_equal_form_have_the_same_receipts_or_error(item: dict[str, Any]) -> None:
    form = {name: _as_form(value) for name, value in item.items()}
    assert by_nats(item) == by_http(form)


def _as_form(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_form(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)


def test_null_is_the_same_as_no_value() -> None:
    every = {each.parameter: None for each in SUBMISSION_FIELDS}
    item = {**every, "fingerprint": WORD, "duration": 241, "mbid": [None, MBID, None]}
    assert by_nats(item) == by_http({"fingerprint": WORD, "duration": 241, "mbid": MBID})


@pytest.mark.parametrize("name", [each.parameter for each in SUBMISSION_FIELDS])
def test_nested_and_boolean_values_are_an_error_that_names_the_field(name: str) -> None:
    wrong: list[object] = [True, False, {}, {"a": 1}, [[MBID]], [True]]
    for value in wrong if name in REPEATABLE else [*wrong, ["a"]]:
        item = {"fingerprint": WORD, "duration": 241, "track": "A", name: value}
        [refused] = check(item).refused
        assert refused.error.code == 103
        assert f'"{name}"' in refused.error.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 102),
        (b"{", 102),
        (b"\x00\xff", 102),
        (b"17", 102),
        (b"null", 102),
        (b"[" * 200_000, 102),
        (b'{"a":' * 200_000, 102),
        (b'{"duration": NaN}', 102),
        (b'{"duration": -Infinity}', 102),
        (b'{"track": "a", "track": "b"}', 103),
        (b"[]", 102),
        (json.dumps([{}] * (MAX_ITEMS + 1)).encode(), 19),
        (b" " * (MAX_BODY + 1), 19),
        (json.dumps({"mbid": [""] * 50_001}).encode(), 19),
    ],
)
def test_other_bodies_are_one_refused_item(body: bytes, code: int) -> None:
    checked = check(body)
    assert (codes(checked), checked.receipts) == ([(None, code)], [])
    assert checked.refused[0].body == body


def test_a_body_has_the_size_limit_of_http() -> None:
    item = json.dumps({"fingerprint": WORD, "duration": 241, "track": "A"}).encode()
    assert len(check(item.ljust(MAX_BODY)).receipts) == 1


def test_a_byte_order_mark_is_ignored() -> None:
    item = json.dumps({"fingerprint": WORD, "duration": 241, "track": "A"})
    assert len(check(b"\xef\xbb\xbf" + item.encode()).receipts) == 1


def test_items_of_a_list_are_checked_separately() -> None:
    good = {"fingerprint": WORD, "duration": 241, "track": "A"}
    text = f'[{json.dumps(good)}, {{"duration": 2.50, "x": [1e3, "\\ud800"]}}, 0.10, [null]]'
    checked = check(text.encode())
    assert len(checked.receipts) == 1
    assert codes(checked) == [(1, 2), (2, 102), (3, 102)]
    assert [each.body for each in checked.refused] == [
        b'{"duration": 2.50, "x": [1e3, "\\ud800"]}',
        b"0.10",
        b"[null]",
    ]


def test_the_hints_for_items_without_names_are_those_of_http() -> None:
    [refused] = check({"fingerprint": WORD, "duration": 241, "mbid": NIL}).refused
    assert "the nil UUID counts as absent" in refused.error.message


@pytest.mark.parametrize("name", [headers.CLIENT, headers.USER])
@pytest.mark.parametrize("value", [None, ""])
def test_a_message_without_a_key_is_refused(name: str, value: str | None) -> None:
    given_headers = {key: each for key, each in {**GIVEN, name: value}.items() if each is not None}
    [refused] = check([{}, {}], given_headers).refused
    assert (refused.index, refused.error.code) == (None, 2)
    assert name in refused.error.message


@pytest.mark.parametrize(
    "error", [OperationalError("", None, Exception()), ServiceUnavailableError(), OSError()]
)
def test_a_failed_query_of_a_key_refuses_nothing(error: Exception) -> None:
    with pytest.raises(type(error)):
        check_message(b"{}", GIVEN, cast("ApiKeys", Keys(error)), 0.0)


def test_an_unexpected_error_refuses_the_message() -> None:
    checked = check_message(b"{}", GIVEN, cast("ApiKeys", Keys(ValueError())), 0.0)
    assert codes(checked) == [(None, 5)]


def test_headers_are_found_in_any_case() -> None:
    assert header({"acoustid-USER": "a"}, headers.USER) == "a"
    assert header({"Acoustid-User": ""}, headers.USER) is None
    assert header(None, headers.USER) is None


def test_the_words_of_a_message_are_limited() -> None:
    """The items that no longer fit are refused."""
    hour = encode(fingerprint(1, words=29_000))
    mbids = [str(UUID(int=number + 1)) for number in range(100)]
    item = {"fingerprint": hour, "duration": 3600, "mbid": mbids}
    checked = check([item, item, {**item, "mbid": mbids[:3]}])
    assert len(checked.receipts) == 103
    assert codes(checked) == [(1, 19)]
