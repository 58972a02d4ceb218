"""Checks a message like ``/v2/submit``: headers and body become receipts and refused items.

A body is a JSON object with the parameters of one submission, or a list of them. Each object
becomes the parameters of a request with one submission, and the code of ``/v2/submit`` parses
these. So an object and the equal form have the same receipts, or the same error.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from api.access.keys import ApiKeys
from api.http.bodies import MAX_BODY
from api.http.errors import (
    ApiError,
    InternalError,
    InvalidBodyError,
    InvalidValueError,
    MissingParameterError,
    RequestTooLargeError,
)
from api.http.parameters import MAX_PAIRS, Pair, Parameters
from api.submissions.request import Submitter, check_words, parse_submissions
from nats_bridge import headers
from nats_bridge.ingest.faults import INFRASTRUCTURE
from pipeline.submission_fields import SUBMISSION_FIELDS, Kind, Receipt

MAX_ITEMS: Final = 100
"""Maximum number of submissions of one message."""

VERSION: Final = "clientversion"
"""The field with the version of the application, which is not a field of the submission."""

_FIELDS: Final = frozenset(each.parameter for each in SUBMISSION_FIELDS) | {VERSION}
_LISTS: Final = frozenset(each.parameter for each in SUBMISSION_FIELDS if each.kind is Kind.UUIDS)

logger = structlog.get_logger("acoustid.nats_bridge.ingest.message")


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """A part of a message that is refused.

    Attributes:
        index: the place in the list, from 0; None for the whole message.
        error: the error that ``/v2/submit`` would return.
        body: the JSON of the item, or the body of the message.
    """

    index: int | None
    error: ApiError
    body: bytes


@dataclass(frozen=True, slots=True)
class CheckedMessage:
    """The result of the checks of a message.

    Attributes:
        receipts: the receipts of the valid items, in order.
        refused: the other items.
    """

    receipts: list[Receipt] = field(default_factory=list)
    refused: list[RefusedItem] = field(default_factory=list)


def check_message(
    body: bytes, given: Mapping[str, str] | None, keys: ApiKeys, deadline: float
) -> CheckedMessage:
    """Return the receipts and the refused items of a message.

    Args:
        body: JSON, in UTF-8.
        given: the headers of the message.
        keys: returns the holders of keys.
        deadline: time at which a query of a key is cancelled, on the monotonic clock.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, ServiceUnavailableError: a key could not be looked up.
    """
    try:
        items, is_list = _parse_body(body)
        submitter = _submitter(given or {}, keys, deadline)
    except Exception as error:  # noqa: BLE001 - a message may not stop the others
        return CheckedMessage(refused=[RefusedItem(None, _refusal(error), body)])
    checked = CheckedMessage()
    words = 0
    for index, item in enumerate(items):
        try:
            receipts = _receipts(item, submitter)
            total = words + sum(each.words.size for each in receipts)
            check_words(total)
            words = total
            checked.receipts.extend(receipts)
        except Exception as error:  # noqa: BLE001 - an item may not stop the others
            own = _dump(item) if is_list else None
            place = index if is_list else None
            checked.refused.append(RefusedItem(place, _refusal(error), own or body))
    return checked


def header(given: Mapping[str, str] | None, name: str) -> str | None:
    """Return a header, in any case; None if it is absent or empty."""
    if not given:
        return None
    found = given.get(name) or next(
        (value for key, value in given.items() if key.lower() == name.lower() and value), None
    )
    return found or None


def _refusal(error: Exception) -> ApiError:
    """Return the reason to refuse what caused an error.

    Raises:
        Exception: the error, if infrastructure is the cause.
    """
    if isinstance(error, INFRASTRUCTURE):
        raise error
    if isinstance(error, ApiError):
        return error.with_traceback(None)
    logger.error("a message causes an unexpected error", exc_info=error)
    return InternalError()


def _submitter(given: Mapping[str, str], keys: ApiKeys, deadline: float) -> Submitter:
    """Return account and application of a message.

    Raises:
        ApiError: a key is missing or not valid.
    """
    names = {"client": headers.CLIENT, "user": headers.USER}
    pairs = [(name, header(given, each)) for name, each in names.items()]
    for (name, value), kind in zip(pairs, ("an application", "a user"), strict=True):
        if value is None:
            raise MissingParameterError(
                name, f"the header {names[name]} must have {kind}'s API key"
            )
    parameters = Parameters([(name, value) for name, value in pairs if value])
    application = keys.application(parameters, deadline)
    account = keys.account(parameters, deadline)
    return Submitter(account.id, application.id, None)


def _parse_body(body: bytes) -> tuple[list[Any], bool]:
    """Return the items of a body, and whether it is a list.

    Raises:
        ApiError: it is too large or not JSON, or it has no items or too many.
    """
    if len(body) > MAX_BODY:
        raise RequestTooLargeError(f"a message may have at most {MAX_BODY} bytes")
    try:
        # Numbers are texts, as in a form: no precision is lost, and no number is too long.
        content = json.loads(
            body.decode("utf-8-sig", "replace"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_Fields,
        )
    except (json.JSONDecodeError, RecursionError):
        raise InvalidBodyError(
            "the message must be JSON: an object with the fields of a submission, or a list of them"
        ) from None
    if not isinstance(content, list):
        return [content], False
    if not content:
        raise InvalidBodyError("the list has no submissions")
    if len(content) > MAX_ITEMS:
        raise RequestTooLargeError(f"a message may have at most {MAX_ITEMS} submissions")
    return content, True


class _Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class _Fields:
    """The fields of a JSON object, in order. A repeated name is kept."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _refuse_constant(name: str) -> str:
    raise InvalidBodyError(f"{name} is not a number of JSON")


def _receipts(item: object, submitter: Submitter) -> list[Receipt]:
    """Return the receipts of one submission, at least one.

    Raises:
        ApiError: it is not valid, or has no MBID, PUID and metadata.
    """
    if not isinstance(item, _Fields):
        raise InvalidBodyError("a submission must be a JSON object")
    parameters = Parameters(_pairs(item))
    version = parameters.get_text(VERSION)
    found = parse_submissions(
        parameters, Submitter(submitter.account_id, submitter.application_id, version)
    )
    if found.skipped:
        raise found.skipped[0].error
    return [each.receipt for each in found.receipts]


def _pairs(item: _Fields) -> list[Pair]:
    """Return an object as the pairs of a form. Unknown fields are ignored, as in a form.

    Raises:
        InvalidValueError: a value is of a type that a form cannot have, or a name is repeated.
        RequestTooLargeError: there are too many values.
    """
    pairs: list[Pair] = []
    names: set[str] = set()
    for name, value in item.pairs:
        if name not in _FIELDS:
            continue
        if name in names:
            raise InvalidValueError(name, "the object has it more than once")
        names.add(name)
        pairs += ((name, each) for each in _texts(name, value))
    if len(pairs) > MAX_PAIRS:
        raise RequestTooLargeError(f"a submission may have at most {MAX_PAIRS} values")
    return pairs


def _texts(name: str, value: object) -> Iterator[str]:
    """Yield the values of a field. null is the same as no value."""
    if isinstance(value, list) and name not in _LISTS:
        raise InvalidValueError(name, "it must be one text or number, not a list")
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield _well_formed(each)
        elif each is not None:
            kind = "a list of texts" if name in _LISTS else "a number"
            raise InvalidValueError(name, f"it must be a text or {kind}")


def _well_formed(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, which cannot be encoded."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _dump(item: object) -> bytes | None:
    """Return the JSON of an item as it was parsed; None if it is nested too deeply."""
    try:
        return _json(item).encode("ascii")
    except RecursionError:
        return None


def _json(value: object) -> str:
    if isinstance(value, _Fields):
        fields = (f"{json.dumps(name)}: {_json(each)}" for name, each in value.pairs)
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value)
