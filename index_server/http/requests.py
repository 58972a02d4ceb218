"""Reads and checks requests that create or delete an index, and ids in paths."""

from dataclasses import dataclass

from index_server.errors import BadRequestError
from index_server.http.formats import Format, fields
from index_server.http.values import MAX_U64, boolean, integer, u32
from index_server.registry import CreateRequest


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """The condition under which an index is deleted."""

    expect_exists: bool = False


def create_index_request(value: object, form: Format) -> CreateRequest:
    """Return the conditions of a create request.

    Raises:
        BadRequestError: a field is unknown, has another type or is too large.
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
        BadRequestError: a field is unknown or has another type.
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
