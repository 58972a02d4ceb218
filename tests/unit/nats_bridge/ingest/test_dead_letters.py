"""Tests of the headers of dead letters."""

from api.http.errors import InvalidBodyError
from nats_bridge import headers
from nats_bridge.ingest.dead_letters import MAX_REASON, Origin, dead_letter_headers
from nats_bridge.ingest.message import RefusedItem


def made(given: dict[str, str], index: int | None = None, reason: str = "x") -> dict[str, str]:
    origin = Origin("s", 17, 1_000_000, given)
    return dead_letter_headers(origin, RefusedItem(index, InvalidBodyError(reason), b""))


def test_the_headers_of_the_message_are_kept_and_reason_and_code_added() -> None:
    found = made({"Acoustid-Client": "a", "Other": "b"})
    assert found == {
        "Acoustid-Client": "a",
        "Other": "b",
        headers.REASON: "invalid request: x",
        headers.CODE: "102",
        headers.MESSAGE_ID: "s:17:1000000",
    }


def test_items_and_streams_have_dead_letters_with_different_ids() -> None:
    ids = {made({}, index)[headers.MESSAGE_ID] for index in (None, 0, 1)}
    later = Origin("s", 17, 2_000_000, {})  # the stream was deleted and made again
    ids.add(
        dead_letter_headers(later, RefusedItem(None, InvalidBodyError("x"), b""))[
            headers.MESSAGE_ID
        ]
    )
    assert len(ids) == 4


def test_headers_that_control_a_stream_are_left_out() -> None:
    found = made({"Nats-Rollup": "all", "nats-ttl": "1s", headers.MESSAGE_ID: "radio:1"})
    assert found[headers.ORIGINAL_ID] == "radio:1"
    assert not {"Nats-Rollup", "nats-ttl"} & set(found)


def test_headers_of_an_earlier_dead_letter_are_replaced() -> None:
    earlier = made({headers.MESSAGE_ID: "radio:1"}, 3)
    found = made(earlier)
    assert headers.ITEM not in found
    assert found[headers.ORIGINAL_ID] == earlier[headers.MESSAGE_ID]


def test_names_that_cannot_be_published_are_left_out() -> None:
    assert "bad name" not in made({"bad name": "1", "": "2"})


def test_a_reason_is_one_line_of_limited_length() -> None:
    reason = made({}, reason="a\r\n b" + "c" * 5000)[headers.REASON]
    assert reason.startswith("invalid request: a bc")
    assert len(reason) == MAX_REASON
