"""Parses and checks decoded request bodies."""

from dataclasses import dataclass

from index_server.errors import BadRequestError, InvalidFingerprintIdError
from index_server.http.formats import Format, fields
from index_server.http.values import (
    MAX_U64,
    as_list,
    boolean,
    hashes,
    integer,
    strings,
    u32,
)
from index_server.registry import CreateRequest
from index_server.update_batching import UpdateRequest
from pipeline.index import Change, Delete, Insert


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """The condition under which an index is deleted."""

    expect_exists: bool = False


def update_request(value: object, form: Format) -> UpdateRequest:
    """Return the update of a body.

    Raises:
        BadRequestError: as for a search.
        InvalidFingerprintIdError: a change has id 0.
    """
    given = fields(value, ("changes", "metadata", "expected_version"), form)
    metadata: dict[str, str] = {}
    changes = [
        change
        for item in as_list(given.get("changes"))
        if (change := _change(item, form, metadata)) is not None
    ]
    if given.get("metadata") is not None:
        metadata.update(strings(given["metadata"]))
    expected = given.get("expected_version")
    return UpdateRequest(
        changes, metadata, None if expected is None else integer(expected, MAX_U64)
    )


def insert_request(value: object, form: Format, document: int) -> UpdateRequest:
    """Return the update that inserts one fingerprint.

    Raises:
        BadRequestError: as for a search.
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


def create_index_request(value: object, form: Format) -> CreateRequest:
    """Return the conditions of a create request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_does_not_exist", "generation"), form)
    generation = given.get("generation")
    return CreateRequest(
        boolean(given.get("expect_does_not_exist", False)),
        None if generation is None else integer(generation, MAX_U64),
    )


def delete_index_request(value: object, form: Format) -> DeleteRequest:
    """Return the condition of a delete request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_exists",), form)
    return DeleteRequest(boolean(given.get("expect_exists", False)))


def document_id(text: str) -> int:
    """Return the id in a path.

    Raises:
        BadRequestError: the text is not a decimal number of 32 bits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRequestError
    return u32(int(text))


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
