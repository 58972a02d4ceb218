"""The form of the messages: workers and front ends of different versions exchange them."""

import pytest
from pydantic import ValidationError

from pipeline.messages import (
    BackgroundLookup,
    Lookup,
    LookupBatch,
    LookupReply,
    Match,
    RecordingPart,
    SubmissionBatch,
    SubmissionInBatch,
    TrackFit,
    TrackHit,
    from_message,
    to_message,
)

LOOKUP = Lookup(
    request=0, duration=200, fingerprint=b"\x01", hits=[TrackHit(track_id=1, gid="g", score=0.5)]
)
LOOKUP_MESSAGE = {
    "request": 0,
    "duration": 200,
    "max_duration_diff": 7,
    "fingerprint": b"\x01",
    "track_gid": "",
    "words": b"",
    "error": "",
    "same_as": -1,
    "hits": [{"track_id": 1, "gid": "g", "score": 0.5, "match": None}],
    "partial": False,
    "excerpt": False,
    "second_chance": False,
}
EXCERPT = Lookup(
    request=0, hits=[TrackHit(1, "g", 0.5, RecordingPart(41.2, 15.0, 0.96))], excerpt=True
)

MESSAGES = [
    (
        LookupBatch(id="b", reply_to="key", deadline=1.5, metas=["m2"], lookups=[LOOKUP]),
        {
            "id": "b",
            "reply_to": "key",
            "deadline": 1.5,
            "metas": ["m2"],
            "lookups": [LOOKUP_MESSAGE],
            "passes": 0,
        },
    ),
    (
        LookupReply(id="b", answers=[{"results": []}]),
        {"id": "b", "answers": [{"results": []}], "failed": False, "transient": False},
    ),
    (
        BackgroundLookup(lookups=[LOOKUP], meta="m2", batch=True, application_id=3),
        {"lookups": [LOOKUP_MESSAGE], "meta": "m2", "batch": True, "application_id": 3},
    ),
    (
        SubmissionBatch(
            submissions=[
                SubmissionInBatch(
                    id=7,
                    task_id="t",
                    twins=[1],
                    matches=[Match(fingerprint_id=1, track_id=2, score=0.75, size=948)],
                    fits=[TrackFit(track_id=2, min_score=0.5, max_length_diff=3)],
                )
            ],
            seen=9,
        ),
        {
            "submissions": [
                {
                    "id": 7,
                    "task_id": "t",
                    "twins": [1],
                    "matches": [{"fingerprint_id": 1, "track_id": 2, "score": 0.75, "size": 948}],
                    "fits": [{"track_id": 2, "min_score": 0.5, "max_length_diff": 3}],
                }
            ],
            "seen": 9,
        },
    ),
]


@pytest.mark.parametrize(("batch", "message"), MESSAGES)
def test_a_message_has_its_documented_form(batch: object, message: dict[str, object]) -> None:
    assert to_message(batch) == message
    assert from_message(type(batch), message) == batch


@pytest.mark.parametrize(("batch", "message"), MESSAGES)
def test_a_message_without_a_required_field_is_refused(
    batch: object, message: dict[str, object]
) -> None:
    required = next(iter(message))
    rest = {name: value for name, value in message.items() if name != required}
    with pytest.raises(ValidationError, match=required):
        from_message(type(batch), rest)


def test_a_batch_of_an_earlier_version_has_not_been_passed_on() -> None:
    batch, message = MESSAGES[0]
    old = {name: value for name, value in message.items() if name != "passes"}
    assert from_message(LookupBatch, old) == batch


def test_a_lookup_of_an_earlier_version_is_not_partial() -> None:
    old = {name: value for name, value in LOOKUP_MESSAGE.items() if name != "partial"}
    batch, message = MESSAGES[0]
    assert from_message(LookupBatch, {**message, "lookups": [old]}) == batch
    background, message = MESSAGES[2]
    assert from_message(BackgroundLookup, {**message, "lookups": [old]}) == background


def test_the_place_of_an_excerpt_is_unchanged_by_a_message() -> None:
    batch = LookupBatch(id="b", reply_to="key", deadline=1.5, metas=["m2"], lookups=[EXCERPT])
    message = to_message(batch)
    [hit] = message["lookups"][0]["hits"]
    assert hit["match"] == {"offset": 41.2, "duration": 15.0, "matched": 0.96}
    assert from_message(LookupBatch, message) == batch
