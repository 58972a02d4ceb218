"""What a submission brings: checked item by item, and turned into receipts."""

from collections.abc import Iterator
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
)
from api.http.parameters import (
    LONGEST_TEXT,
    NIL,
    V2,
    Dialect,
    Parameters,
    is_foreign_id,
    parse_uuid,
    suffixed,
)
from api.lookups.request import MAX_DURATION, check_version
from pipeline.catalog.fingerprint import submitted_links
from pipeline.catalog.ingest.submissions import Receipt
from pipeline.fingerprint.codec import InvalidFingerprint, decode

MAX_BITRATE: Final = 32767
_MAX_INTEGER: Final = 2**31 - 1

_TEXTS: Final = {
    "track": "track",
    "artist": "artist",
    "album": "album",
    "album_artist": "albumartist",
}
_NUMBERS: Final = {"track_no": "trackno", "disc_no": "discno", "year": "year"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who submits.

    Attributes:
        version: what the application calls its version.
    """

    account_id: int
    application_id: int
    version: str | None


class NumberedReceipt(NamedTuple):
    """A receipt and the number of the item it comes from, None for one without."""

    number: int | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class _Item:
    """One suffix of the request, all of it valid."""

    index: int | None
    puid: UUID | None
    foreignid: str | None
    mbids: list[UUID]
    duration: int
    words: NDArray[np.uint32]
    bitrate: int | None
    file_format: str | None
    meta: dict[str, Any] | None


def parse_submissions(
    parameters: Parameters, sender: Sender, dialect: Dialect = V2
) -> list[NumberedReceipt]:
    """Return a receipt for each MBID of each valid item, one for an item without any.

    An item that names no recording, by MBID, PUID or text, has none.

    Args:
        parameters: the request's.
        sender: who submits.
        dialect: what the version of the protocol calls the parameters.

    Raises:
        ApiError: there is no valid item; it is the error of the last one.
    """
    indexes = parameters.suffixes("fingerprint")
    if not indexes:
        raise MissingParameterError("fingerprint")
    items: list[_Item] = []
    for index in indexes:
        try:
            items.append(_parse_item(parameters, index, dialect))
        except ApiError:
            if not items and index == indexes[-1]:
                raise
    return [found for item in items for found in _receipts(item, sender)]


def _receipts(item: _Item, sender: Sender) -> Iterator[NumberedReceipt]:
    mbids: list[UUID | None] = [*item.mbids]
    if not mbids and (item.puid is not None or item.meta is not None):
        mbids = [None]
    for mbid in mbids:
        receipt = Receipt(
            account_id=sender.account_id,
            application_id=sender.application_id,
            application_version=sender.version,
            words=item.words,
            length=item.duration,
            bitrate=item.bitrate,
            format=item.file_format,
            meta=item.meta,
            mbid=mbid,
            puid=item.puid,
            foreignid=item.foreignid,
        )
        yield NumberedReceipt(item.index, receipt)


def _parse_item(parameters: Parameters, index: int | None, dialect: Dialect) -> _Item:
    """Parse what was sent with one suffix, in the order in which errors are reported."""
    return _Item(
        index=index,
        puid=_parse_puid(parameters, index),
        foreignid=_parse_foreign_id(parameters, index),
        mbids=_parse_mbids(parameters, index),
        duration=_parse_duration(parameters, suffixed(dialect.duration, index)),
        words=_parse_fingerprint(parameters, index),
        bitrate=_parse_bitrate(parameters, index),
        file_format=parameters.get_text(suffixed(dialect.file_format, index)),
        meta=_parse_metadata(parameters, index),
    )


def _parse_puid(parameters: Parameters, index: int | None) -> UUID | None:
    name = suffixed("puid", index)
    value = parameters.get(name)
    return _parse_identifier(name, value) if value else None


def _parse_mbids(parameters: Parameters, index: int | None) -> list[UUID]:
    name = suffixed("mbid", index)
    found = (_parse_identifier(name, value) for value in parameters.get_all(name) if value)
    return [mbid for mbid in found if mbid is not None]


def _parse_identifier(name: str, value: str) -> UUID | None:
    """Return the UUID, None for the nil UUID, which stands for none."""
    found = parse_uuid(value)
    if found is None:
        raise InvalidUUIDError(name)
    return None if found == NIL else found


def _parse_foreign_id(parameters: Parameters, index: int | None) -> str | None:
    name = suffixed("foreignid", index)
    value = parameters.get_text(name, LONGEST_TEXT + 1)
    if value is not None and (not is_foreign_id(value) or len(value) > LONGEST_TEXT):
        raise InvalidForeignIdError(name)
    return value


def _parse_duration(parameters: Parameters, name: str) -> int:
    duration = parameters.get_int(name)
    if duration is None:
        raise MissingParameterError(name)
    if not 1 <= duration <= MAX_DURATION:
        raise InvalidDurationError(name)
    return duration


def _parse_fingerprint(parameters: Parameters, index: int | None) -> NDArray[np.uint32]:
    name = suffixed("fingerprint", index)
    text = parameters.get(name)
    if not text:
        raise MissingParameterError(name)
    try:
        version, words = decode(text)
    except InvalidFingerprint as error:
        raise InvalidFingerprintError(name, str(error)) from None
    check_version(name, version)
    if not len(words):
        raise InvalidFingerprintError(name, "it holds no words: was the audio too short?")
    return words


def _parse_bitrate(parameters: Parameters, index: int | None) -> int | None:
    name = suffixed("bitrate", index)
    bitrate = parameters.get_int(name)
    if not bitrate:
        return None
    if not 1 <= bitrate <= MAX_BITRATE:
        raise InvalidBitrateError(name)
    return bitrate


def _parse_metadata(parameters: Parameters, index: int | None) -> dict[str, Any] | None:
    """Return the cleaned metadata, which may have nothing left, or None where none was sent."""
    fields: dict[str, Any] = {
        field: parameters.get(suffixed(stem, index)) for field, stem in _TEXTS.items()
    }
    for field, stem in _NUMBERS.items():
        fields[field] = parameters.get_int(suffixed(stem, index))
    if not any(fields.values()):
        return None
    stored = {
        name: value
        for name, value in fields.items()
        if not isinstance(value, int) or abs(value) <= _MAX_INTEGER
    }
    return submitted_links.clean(stored)
