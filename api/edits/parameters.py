"""Parses the parameters of edits: ids, UUIDs and the note."""

from uuid import UUID

from api.http.errors import InvalidUUIDError, InvalidValueError, MissingParameterError
from api.http.parameters import MAX_ID, NIL, Parameters, parse_int, parse_uuid
from pipeline.catalog.edits.edit_log import MAX_NOTE


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


def need_ids(parameters: Parameters, name: str, hint: str) -> list[int]:
    """Return the ids of a repeated parameter; 0, which no row has, for a number out of range.

    Args:
        parameters: the parameters of the request.
        name: the name of the parameter.
        hint: a description of the values, for the error.

    Raises:
        MissingParameterError: the parameter is absent, or a value is not an integer.
    """
    numbers = [parse_int(text) for text in parameters.get_all(name)]
    ids = [number for number in numbers if number is not None]
    if not ids or len(ids) < len(numbers):
        raise MissingParameterError(name, hint)
    return [number if 1 <= number <= MAX_ID else 0 for number in ids]


def need_id(parameters: Parameters, name: str, hint: str) -> int:
    """Return the first id; see `need_ids`."""
    return need_ids(parameters, name, hint)[0]
