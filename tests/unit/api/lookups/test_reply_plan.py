"""Tests of the reply that a plan composes, directly and after a round trip through JSON."""

import json
import re

import pytest

from api.http.errors import ApiError, InvalidFingerprintError, InvalidUUIDError
from api.http.skipped_items import MAX_SKIPPED
from api.lookups.reply_plan import ReplyPlan
from api.lookups.request import MAX_FINGERPRINTS, Item, LookupRequest
from pipeline.fingerprint.errors import Reason
from pipeline.messages import Lookup

ASKED = Lookup(request=0, track_gid="x")
BAD = InvalidUUIDError("trackid.9")
SHORT = {"error": Reason.TOO_SHORT}
SILENT = {"error": "it has 1 distinct word; it needs 12: about 4.5 s of music"}
ONE, TWO = {"results": [{"id": "1"}]}, {"results": [{"id": "2"}]}
PARTIAL = {"results": [{"id": "3"}], "partial": True}


def shown(number: int | None, answer: dict) -> dict:
    return {"index": number, **answer}


def skipped(index: str, error: ApiError) -> dict:
    return {"index": index, "error": {"code": error.code, "message": error.message}}


def undecodable(name: str) -> ApiError:
    return InvalidFingerprintError(name, "it is too short: send it as fpcalc prints it")


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
        (False, [(0, ASKED), (1, ASKED)], [SHORT, PARTIAL], PARTIAL),
        (True, [(None, ASKED)], [ONE], {"fingerprints": [shown(None, ONE)]}),
        (
            True,
            [(0, ASKED), (1, ASKED)],
            [ONE, PARTIAL],
            {"fingerprints": [shown(0, ONE), shown(1, PARTIAL)]},
        ),
        (
            True,
            [(0, ASKED), (1, BAD), (5, ASKED), (7, ASKED)],
            [ONE, SHORT, TWO],
            {
                "fingerprints": [shown(0, ONE), shown(7, TWO)],
                "skipped": [skipped("1", BAD), skipped("5", undecodable("fingerprint.5"))],
            },
        ),
        (
            True,
            [(None, ASKED), (0, ASKED), (9, BAD)],
            [SHORT, ONE],
            {
                "fingerprints": [shown(0, ONE)],
                "skipped": [skipped("", undecodable("fingerprint")), skipped("9", BAD)],
            },
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
        ([(None, ASKED)], [SHORT], undecodable("fingerprint")),
        (
            [(1, BAD), (3, ASKED)],
            [SHORT],
            undecodable("fingerprint.3"),
        ),
        ([(1, ASKED), (9, BAD)], [SHORT], BAD),
        ([(1, ASKED)], [SILENT], InvalidFingerprintError("fingerprint.1", SILENT["error"])),
    ],
)
def test_without_a_valid_item_the_last_error_is_raised(items, answers, error, batch, again) -> None:
    plan = ReplyPlan.of(LookupRequest([Item(*each) for each in items], "", batch))
    if again:
        plan = ReplyPlan.from_json(plan.to_json())
    with pytest.raises(ApiError) as raised:
        plan.compose(answers)
    assert (raised.value.code, raised.value.message) == (error.code, error.message)
    assert again or type(raised.value) is type(error)


def test_errors_after_the_last_lookup_that_was_tried_are_not_shown() -> None:
    asked = [Item(number, ASKED) for number in range(MAX_FINGERPRINTS + 1)]
    request = LookupRequest([*asked, Item(99, BAD)], "", batch=False)
    assert len(request.to_look_up()) == MAX_FINGERPRINTS
    with pytest.raises(InvalidFingerprintError) as raised:
        ReplyPlan.of(request).compose([SHORT] * MAX_FINGERPRINTS)
    assert f'"fingerprint.{MAX_FINGERPRINTS - 1}"' in raised.value.message


def test_a_plan_of_an_earlier_version_has_no_codes() -> None:
    items = [[0, None], [1, BAD.message]]
    stored = json.dumps({"items": items, "batch": True, "old_names": False})
    plan = ReplyPlan.from_json(stored)
    assert plan.compose([ONE]) == {"fingerprints": [shown(0, ONE)]}
    with pytest.raises(ApiError, match="not a valid UUID"):
        plan.compose([SHORT])


def test_an_earlier_version_reads_the_items_of_a_plan() -> None:
    request = LookupRequest([Item(0, ASKED), Item(1, BAD)], "", batch=True)
    fields = json.loads(ReplyPlan.of(request).to_json())
    assert fields["items"] == [[0, None], [1, BAD.message]]


def test_a_reply_has_a_limited_number_of_skipped_items() -> None:
    bad = [Item(number, BAD) for number in range(MAX_SKIPPED + 3)]
    request = LookupRequest([*bad, Item(MAX_SKIPPED + 3, ASKED)], "", batch=True)
    assert len(ReplyPlan.of(request).compose([ONE])["skipped"]) == MAX_SKIPPED


def test_version_1_calls_recordings_tracks() -> None:
    plan = ReplyPlan.of(LookupRequest([Item(None, ASKED)], "", batch=False, old_names=True))
    answer = {"results": [{"id": "1", "recordings": [{"id": "r"}]}]}
    for each in (plan, ReplyPlan.from_json(plan.to_json())):
        assert each.compose([answer]) == {"results": [{"id": "1", "tracks": [{"id": "r"}]}]}


@pytest.mark.parametrize("reason", Reason)
def test_an_undecodable_fingerprint_is_refused_with_what_to_change(reason: Reason) -> None:
    plan = ReplyPlan.of(LookupRequest([Item(None, ASKED)], "", batch=False))
    with pytest.raises(InvalidFingerprintError) as refused:
        plan.compose([{"error": reason}])
    assert re.search(r": it [a-z ]+: [A-Za-z0-9 ]+$", refused.value.message)
