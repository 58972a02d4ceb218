"""The field ``skipped`` of a reply: the items of a request that it leaves out, with reasons."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from api.http.errors import ApiError

MAX_SKIPPED: Final = 1000
"""Maximum number of items in the field ``skipped``: it limits the size of a reply."""


class SkippedItem(NamedTuple):
    """An item that a successful reply leaves out.

    Attributes:
        number: the suffix of its parameters; None for the parameters without a suffix.
        error: the error that the reply would be if the request had only this item.
    """

    number: int | None
    error: ApiError


def with_skipped(body: dict[str, Any], skipped: Sequence[SkippedItem]) -> dict[str, Any]:
    """Return the body of a reply, with the field ``skipped`` if there are such items.

    An ``index`` is a text, as in the reply to a submission; it is empty for the parameters without
    a suffix.
    """
    if not skipped:
        return body
    return {**body, "skipped": [_show(each) for each in islice(skipped, MAX_SKIPPED)]}


def _show(item: SkippedItem) -> dict[str, Any]:
    index = "" if item.number is None else str(item.number)
    return {"index": index, "error": {"code": item.error.code, "message": item.error.message}}
