"""Parses the parameters of the internal endpoints: numbers, flags, days and texts."""

import re
from datetime import date
from typing import Final

from api.http.errors import InvalidValueError, MissingParameterError
from api.http.parameters import MAX_ID, Parameters

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO: Final = frozenset({"", "0", "false", "no", "off"})


def need_number(parameters: Parameters, name: str, least: int, most: int) -> int:
    """Return an integer from `least` to `most`.

    Raises:
        MissingParameterError: the parameter is absent or not an integer.
        InvalidValueError: the integer is out of range.
    """
    number = _need_int(parameters, name)
    if not least <= number <= most:
        raise InvalidValueError(name, f"a whole number from {least} to {most} is needed")
    return number


def need_id(parameters: Parameters, name: str) -> int:
    """Return an id; 0, which no row has, for an integer that cannot be an id.

    Raises:
        MissingParameterError: the parameter is absent or not an integer.
    """
    number = _need_int(parameters, name)
    return number if 1 <= number <= MAX_ID else 0


def need_text(parameters: Parameters, name: str) -> str:
    """Return a text that is not empty, cut to `api.http.parameters.MAX_TEXT` characters.

    Raises:
        MissingParameterError: the parameter is absent or empty.
    """
    text = parameters.get_text(name)
    if text is None:
        raise MissingParameterError(name)
    return text


def need_flag(parameters: Parameters, name: str) -> bool:
    """Return a flag: False for ``0``, ``false``, ``no``, ``off`` and an empty value.

    Raises:
        MissingParameterError: the parameter is absent.
    """
    word = parameters.get(name)
    if word is None:
        raise MissingParameterError(name, "0 or 1")
    return word.strip().lower() not in _NO


def need_day(parameters: Parameters, name: str) -> date:
    """Return a day.

    Raises:
        MissingParameterError: the parameter is absent or empty.
        InvalidValueError: the value is not a day in the form YYYY-MM-DD.
    """
    day = get_day(parameters, name)
    if day is None:
        raise MissingParameterError(name, "a day as YYYY-MM-DD")
    return day


def get_day(parameters: Parameters, name: str) -> date | None:
    """Return a day; None if the parameter is absent or empty.

    Raises:
        InvalidValueError: the value is not a day in the form YYYY-MM-DD.
    """
    text = (parameters.get(name) or "").strip()
    if not text:
        return None
    try:
        # Python accepts other forms of ISO 8601 too, such as 2026-W01-1.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise InvalidValueError(name, "a day as YYYY-MM-DD is needed") from None


def _need_int(parameters: Parameters, name: str) -> int:
    number = parameters.get_int(name)
    if number is None:
        raise MissingParameterError(name, "a whole number")
    return number
