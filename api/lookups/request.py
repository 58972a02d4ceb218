"""What a lookup asks for: parsed as the public service does, item by item."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.http.errors import (
    ApiError,
    InvalidDurationError,
    InvalidFingerprintError,
    InvalidMaxDurationDiffError,
    InvalidUUIDError,
    MissingParameterError,
    RequestTooLargeError,
)
from api.http.parameters import V2, Dialect, Parameters, parse_uuid, suffixed
from pipeline.fingerprint.codec import ALGORITHM_TEST2, InvalidFingerprint, unpack_text
from pipeline.messages import Lookup

MAX_FINGERPRINTS: Final = 20
MAX_TRACK_IDS: Final = 100
MAX_DURATION: Final = 32767

DEFAULT_DURATION_DIFF: Final = 7
MAX_DURATION_DIFF: Final = 30

_LONGEST_WORD: Final = 20  # of `meta`; the longest that means something has 15 letters
_META: Final = {"0": "", "1": "recordingids", "2": "m2"}


class Item(NamedTuple):
    """One suffix of the request.

    Attributes:
        number: what stands after the dot, None for the parameters without one.
        query: what to look up, or why it is not.
    """

    number: int | None
    query: Lookup | ApiError

    @property
    def is_bad(self) -> bool:
        """Whether there is nothing to look up."""
        return isinstance(self.query, ApiError)

    @property
    def is_fingerprint(self) -> bool:
        """Whether a fingerprint is to be looked up, and no track id."""
        return isinstance(self.query, Lookup) and not self.query.track_gid


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A lookup as the client asks for it.

    Attributes:
        items: by ascending index, at least one of them to be looked up. Of several in a row that
            can't be, only the last is here: it is the one that may be reported.
        meta: the words of ``meta``, each once, sorted.
        batch: whether all items are wanted, or only the first that is valid.
        old_names: whether the reply calls recordings tracks, as in version 1 of the protocol.
    """

    items: list[Item]
    meta: str
    batch: bool
    old_names: bool = False

    def lookups(self) -> Iterator[tuple[int | None, Lookup]]:
        """Iterate over the items that have passed so far, with their indexes."""
        for index, query in self.items:
            if isinstance(query, Lookup):
                yield index, query

    def to_look_up(self) -> list[Lookup]:
        """Return the lookups of a batch; otherwise those that are tried until one is valid."""
        lookups = [lookup for _, lookup in self.lookups()]
        return lookups if self.batch else lookups[:MAX_FINGERPRINTS]

    def check_size(self) -> None:
        """Refuse a batch of too many lookups.

        Raises:
            RequestTooLargeError: more fingerprints or track ids than a request may have.
        """
        if not self.batch:
            return
        track_ids = sum(bool(lookup.track_gid) for _, lookup in self.lookups())
        fingerprints = sum(not lookup.track_gid for _, lookup in self.lookups())
        if fingerprints > MAX_FINGERPRINTS:
            raise RequestTooLargeError(f"a batch may have {MAX_FINGERPRINTS} fingerprints")
        if track_ids > MAX_TRACK_IDS:
            raise RequestTooLargeError(f"a batch may have {MAX_TRACK_IDS} track ids")


def parse_lookup(parameters: Parameters, dialect: Dialect = V2) -> LookupRequest:
    """Parse the parameters of a lookup, but for its key.

    Args:
        parameters: the request's.
        dialect: what the version of the protocol calls them.

    Raises:
        ApiError: nothing is left to look up; it is the error of the last item.
    """
    meta = parse_meta(parameters.get("meta"))
    difference = _parse_duration_diff(parameters)
    batch = bool(parameters.get_int("batch"))
    indexes = parameters.suffixes("fingerprint", "trackid")
    if not indexes:
        raise MissingParameterError("fingerprint", 'or "trackid" in its place')
    items: list[Item] = []
    fingerprints = 0
    for index in indexes:
        item = Item(index, _parse_item(parameters, index, difference, dialect))
        if items and item.is_bad and items[-1].is_bad:
            items.pop()  # it is never reported, and there may be thousands
        items.append(item)
        fingerprints += item.is_fingerprint
        if fingerprints > MAX_FINGERPRINTS:
            break  # a batch is refused by now, and without one no more are tried
    raise_last(items)
    return LookupRequest(items, meta, batch)


def raise_last(items: list[Item]) -> None:
    """Raise the last item's error where no item is without one.

    Raises:
        ApiError: that error.
    """
    last = items[-1].query
    if isinstance(last, ApiError) and all(isinstance(each.query, ApiError) for each in items):
        raise last


def parse_meta(value: str | None) -> str:
    """Return the words of ``meta``: each once, sorted, so that equal wishes look equal.

    Words that are too long to mean anything are left out.
    """
    if not value:
        return ""
    known = _META.get(value)
    if known is not None:
        return known
    return " ".join(sorted({word for word in value.split() if len(word) <= _LONGEST_WORD}))


def _parse_duration_diff(parameters: Parameters) -> int:
    difference = parameters.get_int("maxdurationdiff")
    if difference is None:
        return DEFAULT_DURATION_DIFF
    if not 1 <= difference <= MAX_DURATION_DIFF:
        raise InvalidMaxDurationDiffError("maxdurationdiff")
    return difference


def _parse_item(
    parameters: Parameters, index: int | None, difference: int, dialect: Dialect
) -> Lookup | ApiError:
    try:
        if track_id := parameters.get(suffixed("trackid", index)):
            return _track_lookup(track_id, index)
        return _fingerprint_lookup(parameters, index, difference, dialect)
    except ApiError as error:
        return error


def _track_lookup(track_id: str, index: int | None) -> Lookup:
    if parse_uuid(track_id) is None:
        raise InvalidUUIDError(suffixed("trackid", index))
    return Lookup(request=0, track_gid=track_id)


def _fingerprint_lookup(
    parameters: Parameters, index: int | None, difference: int, dialect: Dialect
) -> Lookup:
    name = suffixed(dialect.duration, index)
    duration = parameters.get_int(name)
    if not duration:
        raise MissingParameterError(name)
    if not 1 <= duration <= MAX_DURATION:
        raise InvalidDurationError(name)
    name = suffixed("fingerprint", index)
    text = parameters.get(name)
    if not text:
        raise MissingParameterError(name)
    return Lookup(
        request=0,
        duration=duration,
        max_duration_diff=difference,
        fingerprint=_unpack(name, text),
    )


def _unpack(name: str, text: str) -> bytes:
    """Return the compressed fingerprint; a worker decodes it."""
    try:
        fingerprint = unpack_text(text)
    except InvalidFingerprint as error:
        raise InvalidFingerprintError(name, str(error)) from None
    check_version(name, fingerprint[0] if fingerprint else None)
    return fingerprint


def check_version(name: str, version: int | None) -> None:
    """Refuse a fingerprint of another algorithm than Chromaprint's default.

    Raises:
        InvalidFingerprintError: `version`, its first byte, is another one, or there is none.
    """
    if version is None:
        raise InvalidFingerprintError(name, "it is too short")
    if version != ALGORITHM_TEST2:
        raise InvalidFingerprintError(
            name,
            f"its algorithm byte is {version}, but only {ALGORITHM_TEST2} is known here "
            "(fpcalc -algorithm 2, its default)",
        )
