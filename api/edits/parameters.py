"""Parses the parameters of edits: ids, UUIDs and the note."""

import re
from typing import Final
from uuid import UUID

from api.http.errors import InvalidUUIDError, InvalidValueError, MissingParameterError
from api.http.parameters import MAX_ID, NIL, Parameters, parse_uuid
from pipeline.catalog.edits.edit_log import MAX_NOTE
from pipeline.catalog.edits.errors import NotInCatalogueError

_ID: Final = re.compile(r"-?[0-9]{1,100}")


def need_note(parameters: Parameters) -> str:
    """Return the reason for an edit, without white space at its ends.

    Raises:
        MissingParameterError: the parameter is absent or empty.
        InvalidValueError: it is longer than `MAX_NOTE` characters.
    """
    note = (parameters.get("note") or "").replace("\0", " ").strip()
    if not note:
        raise MissingParameterError("note", "the reason for the edit")
    if len(note) > MAX_NOTE:
        raise InvalidValueError("note", f"at most {MAX_NOTE} characters are allowed")
    return note


def need_uuid(parameters: Parameters, name: str, hint: str) -> UUID:
    """Return a UUID. The nil UUID counts as absent.

    Args:
        parameters: the parameters of the request.
        name: the name of the parameter.
        hint: a description of the value, for the error.

    Raises:
        MissingParameterError: the parameter is absent or empty.
        InvalidUUIDError: the value is not a UUID.
    """
    text = parameters.get(name)
    found = parse_uuid(text) if text else NIL
    if found is None:
        raise InvalidUUIDError(name)
    if found == NIL:
        raise MissingParameterError(name, hint)
    return found


def need_ids(
    parameters: Parameters, name: str, hint: str, unknown: type[NotInCatalogueError]
) -> list[int]:
    """Return the ids of a repeated parameter, which are in the range of the database.

    Args:
        parameters: the parameters of the request.
        name: the name of the parameter: the name of an object and ``_id``.
        hint: a description of the values, for the error.
        unknown: the error for an object that does not exist.

    Raises:
        MissingParameterError: the parameter is absent, or a value is not in ASCII digits.
        NotInCatalogueError: an id is out of range, so no object has it; of type `unknown`.
    """
    texts = [text.strip() for text in parameters.get_all(name)]
    if not texts or not all(_ID.fullmatch(text) for text in texts):
        raise MissingParameterError(name, hint)
    ids = [int(text) for text in texts]
    for number in ids:
        if not 1 <= number <= MAX_ID:
            raise unknown(f"there is no {name.removesuffix('_id')} {number}")
    return ids


def need_id(
    parameters: Parameters, name: str, hint: str, unknown: type[NotInCatalogueError]
) -> int:
    """Return the id of a parameter that is given once; see `need_ids`.

    Raises:
        InvalidValueError: the parameter is given several times.
    """
    found = need_ids(parameters, name, hint, unknown)
    if len(found) > 1:
        raise InvalidValueError(name, "give it only once")
    return found[0]
