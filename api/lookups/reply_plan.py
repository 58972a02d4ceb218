"""Composes the reply to a lookup request from its answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, NamedTuple

from api.http.errors import ApiError, InternalError, InvalidFingerprintError
from api.http.parameters import suffixed
from api.http.skipped_items import SkippedItem, with_skipped
from api.lookups.pending import Answer
from api.lookups.request import LookupRequest
from pipeline.fingerprint.errors import Reason
from pipeline.submission_fields import MAX_DURATION

_SENTENCES: Final[Mapping[str, str]] = {
    Reason.EMPTY: "it is empty: the audio may be too short",
    Reason.LEADING_SPACE: "it starts with white space: remove it",
    Reason.TOO_SHORT: "it is too short: send it as fpcalc prints it",
    Reason.TOO_LONG: f"it is too long: send the first {MAX_DURATION} s",
    Reason.TRUNCATED: "it is truncated: send all that fpcalc prints",
    Reason.MALFORMED: "it is malformed: send it as fpcalc prints it",
}


class PlannedItem(NamedTuple):
    """One item of a request.

    Attributes:
        number: the suffix of the parameters; None for the parameters without a suffix.
        error: the error of an invalid item; None for a valid item.
    """

    number: int | None
    error: ApiError | None


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """The parts of a request that are needed to compose the reply from the answers.

    A background lookup stores its plan as JSON until the result is read.

    Attributes:
        items: the items of the request, by ascending number.
        batch: whether the reply has the results of all items, or of the first valid one only.
        old_names: whether the reply calls recordings tracks, as in version 1 of the protocol.
        shows_skipped: whether the reply to a batch names the items that it leaves out. A plan that
            an earlier version stored has no error codes, so its reply does not.
    """

    items: Sequence[PlannedItem]
    batch: bool
    old_names: bool = False
    shows_skipped: bool = True

    @classmethod
    def of(cls, request: LookupRequest) -> "ReplyPlan":
        """Return the plan of a request."""
        items = [
            PlannedItem(number, query if isinstance(query, ApiError) else None)
            for number, query in request.items
        ]
        return cls(items, request.batch, request.old_names)

    @classmethod
    def from_json(cls, text: str) -> "ReplyPlan":
        """Return the plan that `to_json` wrote. Its errors have only their codes and messages."""
        fields = json.loads(text)
        codes = fields.get("codes", repeat(ApiError.code))
        items = [
            PlannedItem(number, None if message is None else _restored(message, code))
            for (number, message), code in zip(fields["items"], codes, strict=False)
        ]
        return cls(items, fields["batch"], fields["old_names"], shows_skipped="codes" in fields)

    def to_json(self) -> str:
        """Return the plan as JSON."""
        items = [(number, None if error is None else error.message) for number, error in self.items]
        codes = [None if error is None else error.code for _, error in self.items]
        return json.dumps(
            {"items": items, "codes": codes, "batch": self.batch, "old_names": self.old_names}
        )

    def compose(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the body of the reply.

        Args:
            answers: the answers to the valid items, in their order. Without `batch` they may end
                with the first answer that is not an error.

        Raises:
            ApiError: no item has results; the error is that of the last item.
        """
        remaining = iter(answers)
        found: list[dict[str, Any]] = []
        skipped: list[SkippedItem] = []
        for number, error in self.items:
            if error is not None:
                skipped.append(SkippedItem(number, error))
                continue
            answer = next(remaining, None)
            if answer is None:
                break
            if "error" in answer:
                name = suffixed("fingerprint", number)
                reason = InvalidFingerprintError(name, _sentence(answer["error"]))
                skipped.append(SkippedItem(number, reason))
            else:
                found.append({"index": number, **self._shown(answer)})
        if not found:
            raise skipped[-1].error if skipped else InternalError()
        if not self.batch:
            first = found[0]
            del first["index"]
            return first
        return with_skipped({"fingerprints": found}, skipped if self.shows_skipped else ())

    def _shown(self, answer: Answer) -> dict[str, Any]:
        """Return the fields of one item; ``partial`` if results may have been left out."""
        shown: dict[str, Any] = {"results": self._named(answer["results"])}
        if answer.get("partial"):
            shown["partial"] = True
        return shown

    def _named(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.old_names:
            return results
        names = {"recordings": "tracks"}
        return [{names.get(key, key): value for key, value in each.items()} for each in results]


def _sentence(reason: str) -> str:
    """Return a worker's reason as a sentence: a reason, or a sentence already."""
    return reason if reason.startswith("it ") else _SENTENCES.get(reason, f"it is {reason}")


def _restored(message: str, code: int) -> ApiError:
    error = ApiError(message)
    error.code = code
    return error
