"""Tests of the reply that a plan composes, directly and after a round trip through JSON."""

import pytest

from api.http.errors import ApiError, InvalidFingerprintError, InvalidUUIDError
from api.lookups.reply_plan import ReplyPlan
from api.lookups.request import MAX_FINGERPRINTS, Item, LookupRequest
from pipeline.messages import Lookup

ASKED = Lookup(request=0, track_gid="x")
BAD = InvalidUUIDError("trackid.9")
SHORT = {"error": "too short"}
ONE, TWO = {"results": [{"id": "1"}]}, {"results": [{"id": "2"}]}


def shown(number: int | None, answer: dict) -> dict:
    return {"index": number, **answer}


@pytest.mark.parametrize("again", [False, True], ids=["direct", "through JSON"])
@pytest.mark.parametrize(
    ("batch", "items", "answers", "expected"),
    [
        (False, [(None, ASKED)], [ONE], ONE),
        (False, [(0, ASKED), (1, ASKED)], [ONE], ONE),
        (False, [(0, ASKED), (1, ASKED)], [ONE, TWO], ONE),
        (False, [(0, ASKED), (1, ASKED)], [SHORT, TWO], TWO),
        (False, [(0, BAD), (1, ASKED), (2, BAD)], [ONE], ONE),
        (False, [(0, ASKED)], [{"results": []}], {"results": []}),
        (True, [(None, ASKED)], [ONE], {"fingerprints": [shown(None, ONE)]}),
        (
            True,
            [(0, ASKED), (1, BAD), (5, ASKED), (7, ASKED)],
            [ONE, SHORT, TWO],
            {"fingerprints": [shown(0, ONE), shown(7, TWO)]},
        ),
    ],
)
def test_the_reply_to_a_request(again, batch, items, answers, expected) -> None:
    plan = ReplyPlan.of(LookupRequest([Item(*each) for each in items], "", batch))
    if again:
        plan = ReplyPlan.from_json(plan.to_json())
    assert plan.compose(answers) == expected


@pytest.mark.parametrize("again", [False, True], ids=["direct", "through JSON"])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("items", "answers", "error"),
    [
        ([(None, ASKED)], [SHORT], InvalidFingerprintError("fingerprint", "it is too short")),
        (
            [(1, BAD), (3, ASKED)],
            [SHORT],
            InvalidFingerprintError("fingerprint.3", "it is too short"),
        ),
        ([(1, ASKED), (9, BAD)], [SHORT], BAD),
    ],
)
def test_without_a_valid_item_the_last_error_is_raised(items, answers, error, batch, again) -> None:
    plan = ReplyPlan.of(LookupRequest([Item(*each) for each in items], "", batch))
    if again:
        plan = ReplyPlan.from_json(plan.to_json())
    with pytest.raises(ApiError) as raised:
        plan.compose(answers)
    assert raised.value.message == error.message
    assert again or type(raised.value) is type(error)


def test_errors_after_the_last_lookup_that_was_tried_are_not_shown() -> None:
    asked = [Item(number, ASKED) for number in range(MAX_FINGERPRINTS + 1)]
    request = LookupRequest([*asked, Item(99, BAD)], "", batch=False)
    assert len(request.to_look_up()) == MAX_FINGERPRINTS
    with pytest.raises(InvalidFingerprintError) as raised:
        ReplyPlan.of(request).compose([SHORT] * MAX_FINGERPRINTS)
    assert f'"fingerprint.{MAX_FINGERPRINTS - 1}"' in raised.value.message


def test_version_1_calls_recordings_tracks() -> None:
    plan = ReplyPlan.of(LookupRequest([Item(None, ASKED)], "", batch=False, old_names=True))
    answer = {"results": [{"id": "1", "recordings": [{"id": "r"}]}]}
    for each in (plan, ReplyPlan.from_json(plan.to_json())):
        assert each.compose([answer]) == {"results": [{"id": "1", "tracks": [{"id": "r"}]}]}
