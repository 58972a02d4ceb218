"""Composes the reply to a lookup request from its answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from api.http.errors import ApiError, InternalError, InvalidFingerprintError
from api.http.parameters import suffixed
from api.lookups.pending import Answer
from api.lookups.request import LookupRequest


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
    """

    items: Sequence[PlannedItem]
    batch: bool
    old_names: bool = False

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
        """Return the plan that `to_json` wrote. Its errors have only their messages."""
        fields = json.loads(text)
        items = [
            PlannedItem(number, None if message is None else ApiError(message))
            for number, message in fields["items"]
        ]
        return cls(items, fields["batch"], fields["old_names"])

    def to_json(self) -> str:
        """Return the plan as JSON."""
        items = [(number, None if error is None else error.message) for number, error in self.items]
        return json.dumps({"items": items, "batch": self.batch, "old_names": self.old_names})

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
        last_error: ApiError = InternalError()
        for number, error in self.items:
            if error is not None:
                last_error = error
                continue
            answer = next(remaining, None)
            if answer is None:
                break
            if "error" in answer:
                name = suffixed("fingerprint", number)
                last_error = InvalidFingerprintError(name, f"it is {answer['error']}")
            else:
                found.append({"index": number, "results": self._named(answer["results"])})
        if not found:
            raise last_error
        return {"fingerprints": found} if self.batch else {"results": found[0]["results"]}

    def _named(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.old_names:
            return results
        names = {"recordings": "tracks"}
        return [{names.get(key, key): value for key, value in each.items()} for each in results]
