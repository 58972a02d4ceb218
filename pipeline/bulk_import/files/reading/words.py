"""Reads the field `fingerprint` of a line: a list of numbers, or the text form.

A list has about 948 numbers, 10 KB. A compiled loop reads it several times faster than a parser of
JSON. What it can't read is read as JSON, which finds the reason.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.bulk_import.files.reading.values import LineError
from pipeline.fingerprint.codec import ALGORITHM_TEST2, InvalidFingerprint, decode
from pipeline.fingerprint.public_part import LONGEST
from pipeline.fingerprint.words import Words
from pipeline.loops.number_lists import read_numbers

_KEY: Final = b'"fingerprint"'
_PLACEHOLDER: Final = b"null"


def parse_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        LineError: the line is something else.
    """
    try:
        found = json.loads(line.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise LineError(f"byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise LineError("its values are nested too deeply") from None
    except ValueError as error:
        text = str(error) if isinstance(error, json.JSONDecodeError) else "a number is too long"
        raise LineError(f"is not JSON: {text}") from None
    if not isinstance(found, dict):
        raise LineError("is not a JSON object")
    return found


def _refuse(_: str) -> None:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)


def parse_fingerprint(line: bytes) -> tuple[dict[str, Any], Words]:
    """Return the JSON object of a line, and the words of its field `fingerprint`, uint32[n].

    Raises:
        LineError: the line or the words are wrong.
    """
    fast = _split(line)
    if fast is not None:
        return fast
    content = parse_object(line)
    return content, _words(content)


def _split(line: bytes) -> tuple[dict[str, Any], Words] | None:
    """Read the list apart from the other fields; None if the line has an unusual form."""
    key = line.find(_KEY)
    start = line.find(b"[", key)
    end = line.find(b"]", start)
    if min(key, start, end) < 0 or line[key + len(_KEY) : start].strip() != b":":
        return None
    rest = b"".join((line[:start], _PLACEHOLDER, line[end + 1 :]))
    if rest.count(b"{") != 1 or rest.count(_KEY) != 1:
        return None
    words = read_numbers(memoryview(line)[start + 1 : end])
    if words is None or words.size > LONGEST:
        return None
    content = parse_object(rest)
    return (content, words) if "fingerprint" in content else None


def _words(content: Mapping[str, Any]) -> Words:
    found = content.get("fingerprint")
    if isinstance(found, str):
        try:
            version, words = decode(found)
        except InvalidFingerprint as error:
            raise LineError(f"fingerprint: {error}") from None
        if version != ALGORITHM_TEST2:
            raise LineError(f"fingerprint has version {version}, not {ALGORITHM_TEST2}")
        return _checked(words.astype(np.int64))
    if not isinstance(found, list):
        raise LineError("fingerprint is not a list of numbers or a text")
    if not all(type(each) is int for each in found):
        raise LineError("fingerprint contains something else than integers")
    try:
        return _checked(np.array(found, dtype=np.int64))
    except OverflowError:
        raise LineError("fingerprint contains a number of more than 32 bits") from None


def _checked(values: NDArray[np.int64]) -> Words:
    if not values.size:
        raise LineError("fingerprint has no words")
    if values.size > LONGEST:
        raise LineError(f"fingerprint has {values.size} words, more than {LONGEST}")
    if values.min() < -(2**31) or values.max() >= 2**32:
        raise LineError("fingerprint contains a number of more than 32 bits")
    return (values & 0xFFFFFFFF).astype("<u4")
