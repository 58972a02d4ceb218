"""Reads and checks updates.

An update in MessagePack that has only inserts and deletions, the usual one, is read into arrays in
one pass. Every other update is decoded first. Both ways accept the same updates, with the same
result.
"""

from collections.abc import Sequence
from typing import Any

from index_server.errors import (
    BadRequestError,
    IndexServerError,
    InvalidFingerprintIdError,
)
from index_server.http.formats import MAX_CONTAINERS, MAX_ITEMS, Format, decode, fields
from index_server.http.values import MAX_U64, as_list, hashes, integer, strings, u32
from index_server.update_batching import UpdateRequest
from pipeline.index import Change, ChangeBatch, Delete, Insert
from pipeline.index.packed_changes import read_changes


def update_request(body: bytes, form: Format) -> UpdateRequest:
    """Return the update of a body.

    Raises:
        BadRequestError: the body is not valid in that format, a field is unknown, has another type
            or is too large, or the changes are missing.
        BodyTooLargeError: the body has too many maps and lists.
        InvalidFingerprintIdError: a change has id 0.
    """
    packed = _packed_update(body) if form is Format.MSGPACK else None
    return packed or decoded_update(decode(body, form), form)


def decoded_update(value: object, form: Format) -> UpdateRequest:
    """Return the update of a decoded body.

    Raises:
        BadRequestError, InvalidFingerprintIdError: as for `update_request`.
    """
    given = fields(value, ("changes", "metadata", "expected_version"), form)
    metadata: dict[str, str] = {}
    changes = [
        change
        for item in as_list(given.get("changes"))
        if (change := _change(item, form, metadata)) is not None
    ]
    return _update(changes, metadata, given)


def insert_request(value: object, form: Format, document: int) -> UpdateRequest:
    """Return the update that inserts one fingerprint.

    Raises:
        BadRequestError: the hashes are missing or wrong, or a field is unknown.
        InvalidFingerprintIdError: the id is 0.
    """
    given = fields(value, ("hashes",), form)
    return UpdateRequest([Insert(_checked_id(document), hashes(given.get("hashes")))])


def delete_request(document: int) -> UpdateRequest:
    """Return the update that deletes one fingerprint.

    Raises:
        InvalidFingerprintIdError: the id is 0.
    """
    return UpdateRequest([Delete(_checked_id(document))])


def _packed_update(body: bytes) -> UpdateRequest | None:
    """Return an update in MessagePack, None if it must be decoded.

    Only valid updates are returned, so that the errors of all others come from one place.
    """
    packed = read_changes(body, MAX_ITEMS)
    if packed is None:
        return None
    # The fields after the changes are decoded as a map of their own.
    try:
        rest = decode(bytes([0x80 | packed.more]) + body[packed.end :], Format.MSGPACK)
        given = fields(rest, ("metadata", "expected_version"), Format.MSGPACK)
        # With a field given twice, more maps may have been decoded than are counted here.
        if len(given) != packed.more:
            return None
        if packed.lists_and_maps + isinstance(given.get("metadata"), dict) > MAX_CONTAINERS:
            return None
        return _update([packed.batch], {}, given)
    except IndexServerError:
        return None


def _update(
    changes: Sequence[Change | ChangeBatch], metadata: dict[str, str], given: dict[str, Any]
) -> UpdateRequest:
    """Return an update with the metadata of its changes and its other fields."""
    if given.get("metadata") is not None:
        metadata = metadata | strings(given["metadata"])
    expected = given.get("expected_version")
    return UpdateRequest(
        changes, metadata, None if expected is None else integer(expected, MAX_U64)
    )


def _change(value: object, form: Format, metadata: dict[str, str]) -> Change | None:
    """Return one change, or None for ``set_metadata``, which is added to `metadata`."""
    given = fields(value, ("insert", "delete", "set_metadata"), form)
    if len(given) != 1:
        raise BadRequestError
    ((kind, content),) = given.items()
    if kind == "insert":
        insert = fields(content, ("id", "hashes"), form)
        return Insert(_checked_id(u32(insert.get("id"))), hashes(insert.get("hashes")))
    if kind == "delete":
        return Delete(_checked_id(u32(fields(content, ("id",), form).get("id"))))
    for item in as_list(fields(content, ("entries",), form).get("entries")):
        entry = fields(item, ("key", "value"), form)
        metadata.update(strings({entry.get("key"): entry.get("value")}))
    return None


def _checked_id(document: int) -> int:
    if document == 0:
        raise InvalidFingerprintIdError
    return document
