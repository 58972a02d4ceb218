"""Parses the parameters of ``/v2/submit`` into receipts, by `pipeline.submission_fields`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from api.http.errors import (
    ApiError,
    InvalidBitrateError,
    InvalidDurationError,
    InvalidFingerprintError,
    InvalidForeignIdError,
    InvalidUUIDError,
    MissingParameterError,
    RequestTooLargeError,
)
from api.http.parameters import (
    MAX_TEXT,
    NIL,
    Parameters,
    is_foreign_id,
    parse_uuid,
    suffixed,
)
from api.http.skipped_items import MAX_SKIPPED, SkippedItem
from api.lookups.request import check_version
from pipeline.catalog.fingerprint import submitted_links
from pipeline.fingerprint.codec import InvalidFingerprint, decode
from pipeline.submission_fields import (
    COLUMN_FIELDS,
    MAX_BITRATE,
    MAX_DURATION,
    METADATA_FIELDS,
    Kind,
    Receipt,
)

MAX_WORDS: Final = 4_194_304
"""Maximum number of words of all receipts of a request or a message: 16 MiB.

A fingerprint is stored once for each of its MBIDs. Without this limit, a body of 1 MiB could fill
gigabytes of the database.
"""

_MAX_INTEGER: Final = 2**31 - 1

_CHECKED_FIELDS: Final = sorted(COLUMN_FIELDS.items(), key=lambda item: item[1].check_order)


@dataclass(frozen=True, slots=True)
class Submitter:
    """The user's account and the application of a request.

    Attributes:
        account_id: the id of the user's account.
        application_id: the id of the application.
        version: the value of ``clientversion``.
    """

    account_id: int
    application_id: int
    version: str | None


class NumberedReceipt(NamedTuple):
    """A receipt, and the suffix of its item; None for the parameters without a suffix."""

    number: int | None
    receipt: Receipt


class Submissions(NamedTuple):
    """The submissions of a request.

    Attributes:
        receipts: a receipt for each MBID of each valid item, or one for an item without MBIDs.
        skipped: the items without a receipt: the invalid ones, and those without an MBID, a PUID
            and metadata.
    """

    receipts: list[NumberedReceipt]
    skipped: list[SkippedItem]


def parse_submissions(
    parameters: Parameters, submitter: Submitter, version: int = 2
) -> Submissions:
    """Return the submissions of a request.

    Args:
        parameters: the parameters of the request.
        submitter: the account and the application.
        version: the version of the protocol, 1 or 2.

    Raises:
        ApiError: all items are invalid; the error is that of the last item. An item without an
            MBID, a PUID and metadata is not invalid, as in the public service.
        RequestTooLargeError: the receipts have more than `MAX_WORDS` words.
    """
    numbers = parameters.suffixes("fingerprint")
    if not numbers:
        raise MissingParameterError("fingerprint")
    receipts: list[NumberedReceipt] = []
    skipped: list[SkippedItem] = []
    has_valid_item = False
    for number in numbers:
        try:
            values = _parse_item(parameters, number, version)
        except ApiError as error:
            if not has_valid_item and number == numbers[-1]:
                raise
            if len(skipped) < MAX_SKIPPED:  # a traceback would keep all variables in memory
                skipped.append(SkippedItem(number, error.with_traceback(None)))
            continue
        has_valid_item = True
        made = [NumberedReceipt(number, each) for each in _receipts(values, submitter)]
        receipts += made
        if not made and len(skipped) < MAX_SKIPPED:
            skipped.append(SkippedItem(number, _unnamed(parameters, number)))
    check_words(sum(each.receipt.words.size for each in receipts))
    return Submissions(receipts, skipped)


def check_words(total: int) -> None:
    """Check the number of words of all receipts of a request or a message.

    Raises:
        RequestTooLargeError: there are more than `MAX_WORDS`.
    """
    if total > MAX_WORDS:
        raise RequestTooLargeError(
            f"its fingerprints have {total} words, counted once for each MBID; "
            f"a request may have {MAX_WORDS}"
        )


def _unnamed(parameters: Parameters, number: int | None) -> MissingParameterError:
    """Return the error of a valid item without an MBID, a PUID and metadata."""
    hint = "give an MBID, a PUID, or metadata such as track and artist"
    if any(parameters.get(suffixed(name, number)) for name in ("mbid", "puid")):
        hint = f"the nil UUID counts as absent; {hint}"
    elif parameters.get(suffixed("foreignid", number)):
        hint = f"a foreign id does not suffice; {hint}"
    return MissingParameterError(suffixed("mbid", number), hint)


def _receipts(values: dict[str, Any], submitter: Submitter) -> Iterator[Receipt]:
    mbids: list[UUID | None] = values.pop("mbid")
    if not mbids and (values["puid"] is not None or values["meta"] is not None):
        mbids = [None]
    for mbid in mbids:
        yield Receipt(
            account_id=submitter.account_id,
            application_id=submitter.application_id,
            application_version=submitter.version,
            mbid=mbid,
            **values,
        )


def _parse_item(parameters: Parameters, number: int | None, version: int) -> dict[str, Any]:
    """Return the values of one item, by column. The value of ``mbid`` is a list.

    Raises:
        ApiError: a value is missing or not valid.
    """
    values = {
        column: _PARSERS[field.kind](parameters, suffixed(field.name(version), number))
        for column, field in _CHECKED_FIELDS
    }
    values["meta"] = _parse_metadata(parameters, number, version)
    return values


def _parse_uuid(parameters: Parameters, name: str) -> UUID | None:
    value = parameters.get(name)
    return _parse_identifier(name, value) if value else None


def _parse_uuids(parameters: Parameters, name: str) -> list[UUID]:
    found = (_parse_identifier(name, value) for value in parameters.get_all(name))
    return [each for each in found if each is not None]


def _parse_identifier(name: str, value: str) -> UUID | None:
    """Return the UUID; None for the nil UUID."""
    found = parse_uuid(value)
    if found is None:
        raise InvalidUUIDError(name)
    return None if found == NIL else found


def _parse_foreign_id(parameters: Parameters, name: str) -> str | None:
    value = parameters.get_text(name, MAX_TEXT + 1)
    if value is not None and (not is_foreign_id(value) or len(value) > MAX_TEXT):
        raise InvalidForeignIdError(name)
    return value


def _parse_duration(parameters: Parameters, name: str) -> int:
    duration = parameters.get_seconds(name)
    if duration is None:
        raise MissingParameterError(name)
    if not 1 <= duration <= MAX_DURATION:
        raise InvalidDurationError(name)
    return duration


def _parse_fingerprint(parameters: Parameters, name: str) -> NDArray[np.uint32]:
    text = parameters.get(name)
    if not text:
        raise MissingParameterError(name)
    try:
        version, words = decode(text)
    except InvalidFingerprint as error:
        raise InvalidFingerprintError(name, str(error)) from None
    check_version(name, version)
    if not len(words):
        raise InvalidFingerprintError(name, "it is empty; the audio may be too short")
    return words


def _parse_bitrate(parameters: Parameters, name: str) -> int | None:
    bitrate = parameters.get_int(name)
    if not bitrate:
        return None
    if not 1 <= bitrate <= MAX_BITRATE:
        raise InvalidBitrateError(name)
    return bitrate


def _parse_text(parameters: Parameters, name: str) -> str | None:
    return parameters.get_text(name)


def _parse_metadata_text(parameters: Parameters, name: str) -> str | None:
    return parameters.get(name)


def _parse_metadata_number(parameters: Parameters, name: str) -> int | None:
    return parameters.get_int(name)


_PARSERS: Final[Mapping[Kind, Callable[[Parameters, str], Any]]] = {
    Kind.FINGERPRINT: _parse_fingerprint,
    Kind.DURATION: _parse_duration,
    Kind.BITRATE: _parse_bitrate,
    Kind.TEXT: _parse_text,
    Kind.UUID: _parse_uuid,
    Kind.UUIDS: _parse_uuids,
    Kind.FOREIGN_ID: _parse_foreign_id,
    Kind.METADATA_TEXT: _parse_metadata_text,
    Kind.METADATA_NUMBER: _parse_metadata_number,
}


def _parse_metadata(
    parameters: Parameters, number: int | None, version: int
) -> dict[str, Any] | None:
    """Return the cleaned metadata, which may be empty; None if the item has no metadata."""
    values = {
        key: _PARSERS[field.kind](parameters, suffixed(field.name(version), number))
        for key, field in METADATA_FIELDS.items()
    }
    if not any(values.values()):
        return None
    storable = {
        key: value
        for key, value in values.items()
        if not isinstance(value, int) or abs(value) <= _MAX_INTEGER
    }
    return submitted_links.clean(storable)
