"""Parses the parameters of a lookup as the public service does."""

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
from api.http.parameters import Parameters, parse_uuid, suffixed
from api.http.skipped_items import MAX_SKIPPED
from pipeline.fingerprint.codec import ALGORITHM_TEST2, InvalidFingerprint, unpack_text
from pipeline.lookups.metadata.meta_words import normalize_meta
from pipeline.messages import Lookup
from pipeline.submission_fields import DURATION, MAX_DURATION
from pipeline.thresholds import LOOKUP_LENGTH_DIFF

MAX_FINGERPRINTS: Final = 20
MAX_TRACK_IDS: Final = 100
MAX_DURATION_DIFF: Final = 30


class SearchOptions(NamedTuple):
    """The parameters that apply to all fingerprints of a request.

    Attributes:
        max_duration_diff: maximum difference of durations in seconds.
        excerpt: whether the fingerprints are those of excerpts.
        second_chance: whether a lookup without results searches the sketch index too.
        version: the version of the protocol, 1 or 2.
    """

    max_duration_diff: int
    excerpt: bool
    second_chance: bool
    version: int


class Item(NamedTuple):
    """The parameters with the same suffix.

    Attributes:
        number: the suffix; None for the parameters without a suffix.
        query: the lookup; if the item is not valid, the error.
    """

    number: int | None
    query: Lookup | ApiError

    @property
    def is_invalid(self) -> bool:
        """Whether the item is not valid."""
        return isinstance(self.query, ApiError)

    @property
    def is_fingerprint(self) -> bool:
        """Whether the item is a valid lookup by fingerprint."""
        return isinstance(self.query, Lookup) and not self.query.track_gid


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """The parsed parameters of a lookup.

    Attributes:
        items: the items by ascending number; at least one is valid. The first `MAX_SKIPPED`
            invalid items of a batch are kept, since the reply names them. Of other adjacent
            invalid items only the last is kept, since only its error can be reported.
        meta: the result of `normalize_meta`.
        batch: whether the reply has the results of all items, or of the first valid one only.
        old_names: whether the reply calls recordings tracks, as in version 1 of the protocol.
        excerpt: whether the fingerprints are those of excerpts.
        second_chance: whether a lookup without results searches the sketch index too.
    """

    items: list[Item]
    meta: str
    batch: bool
    old_names: bool = False
    excerpt: bool = False
    second_chance: bool = False

    def lookups(self) -> Iterator[tuple[int | None, Lookup]]:
        """Iterate over the numbers and lookups of the valid items."""
        for number, query in self.items:
            if isinstance(query, Lookup):
                yield number, query

    def to_look_up(self) -> list[Lookup]:
        """Return all lookups of a batch; otherwise only the first `MAX_FINGERPRINTS` lookups."""
        lookups = [lookup for _, lookup in self.lookups()]
        return lookups if self.batch else lookups[:MAX_FINGERPRINTS]

    def check_size(self) -> None:
        """Check the number of lookups of a batch.

        Raises:
            RequestTooLargeError: the batch has too many fingerprints or track ids.
        """
        if not self.batch:
            return
        track_ids = sum(bool(lookup.track_gid) for _, lookup in self.lookups())
        fingerprints = sum(not lookup.track_gid for _, lookup in self.lookups())
        if fingerprints > MAX_FINGERPRINTS:
            raise RequestTooLargeError(f"a batch may have at most {MAX_FINGERPRINTS} fingerprints")
        if track_ids > MAX_TRACK_IDS:
            raise RequestTooLargeError(f"a batch may have at most {MAX_TRACK_IDS} track ids")


def parse_lookup(
    parameters: Parameters, version: int = 2, *, second_chance: bool = False
) -> LookupRequest:
    """Parse the parameters of a lookup, except the application's key.

    Args:
        parameters: the parameters of the request.
        version: the version of the protocol, 1 or 2.
        second_chance: the default of the parameter ``second_chance``; version 1 has neither.

    Raises:
        ApiError: no item is valid; the error is that of the last item.
    """
    meta = normalize_meta(parameters.get("meta"))
    options = _parse_options(parameters, version, second_chance=second_chance)
    batch = bool(parameters.get_int("batch"))
    numbers = parameters.suffixes("fingerprint", "trackid")
    if not numbers:
        raise MissingParameterError("fingerprint", 'or "trackid" instead')
    items: list[Item] = []
    fingerprints = 0
    shown = MAX_SKIPPED if batch else 0  # invalid items that are kept although they are adjacent
    for number in numbers:
        item = Item(number, _parse_item(parameters, number, options))
        if item.is_invalid:
            shown -= 1
            if shown < -1 and items[-1].is_invalid:
                items.pop()  # its error is never shown, and there may be thousands of such items
        items.append(item)
        fingerprints += item.is_fingerprint
        if fingerprints > MAX_FINGERPRINTS:
            break  # a larger batch is refused, and without `batch` no further item is looked up
    raise_last(items)
    return LookupRequest(
        items, meta, batch, excerpt=options.excerpt, second_chance=options.second_chance
    )


def raise_last(items: list[Item]) -> None:
    """Raise the error of the last item if no item is valid.

    Raises:
        ApiError: no item is valid.
    """
    last = items[-1].query
    if isinstance(last, ApiError) and all(isinstance(each.query, ApiError) for each in items):
        raise last


def _parse_options(parameters: Parameters, version: int, *, second_chance: bool) -> SearchOptions:
    difference = _parse_duration_diff(parameters)
    if version == 1:
        return SearchOptions(difference, excerpt=False, second_chance=False, version=version)
    excerpt = bool(parameters.get_int("excerpt"))
    sent = parameters.get_int("second_chance")
    wanted = second_chance if sent is None else bool(sent)
    return SearchOptions(difference, excerpt, wanted and not excerpt, version)


def _parse_duration_diff(parameters: Parameters) -> int:
    difference = parameters.get_int("maxdurationdiff")
    if difference is None:
        return LOOKUP_LENGTH_DIFF
    if not 1 <= difference <= MAX_DURATION_DIFF:
        raise InvalidMaxDurationDiffError("maxdurationdiff")
    return difference


def _parse_item(
    parameters: Parameters, number: int | None, options: SearchOptions
) -> Lookup | ApiError:
    try:
        if track_id := parameters.get(suffixed("trackid", number)):
            return _track_lookup(track_id, number)
        return _fingerprint_lookup(parameters, number, options)
    except ApiError as error:
        return error


def _track_lookup(track_id: str, number: int | None) -> Lookup:
    if parse_uuid(track_id) is None:
        raise InvalidUUIDError(suffixed("trackid", number))
    return Lookup(request=0, track_gid=track_id)


def _fingerprint_lookup(
    parameters: Parameters, number: int | None, options: SearchOptions
) -> Lookup:
    name = suffixed(DURATION.name(options.version), number)
    duration = parameters.get_seconds(name) or 0
    if not duration and not options.excerpt:
        raise MissingParameterError(name)
    if duration and not 1 <= duration <= MAX_DURATION:
        raise InvalidDurationError(name)
    name = suffixed("fingerprint", number)
    text = parameters.get(name)
    if not text:
        raise MissingParameterError(name)
    return Lookup(
        request=0,
        duration=duration,
        max_duration_diff=options.max_duration_diff,
        fingerprint=_unpack(name, text),
        excerpt=options.excerpt,
        second_chance=options.second_chance,
    )


def _unpack(name: str, text: str) -> bytes:
    """Return the compressed fingerprint, which a worker decodes."""
    try:
        fingerprint = unpack_text(text)
    except InvalidFingerprint as error:
        raise InvalidFingerprintError(name, str(error)) from None
    check_version(name, fingerprint[0] if fingerprint else None)
    return fingerprint


def check_version(name: str, version: int | None) -> None:
    """Check that a fingerprint has Chromaprint's default algorithm.

    Args:
        name: the name of the parameter.
        version: the first byte of the fingerprint, None if it is empty.

    Raises:
        InvalidFingerprintError: the fingerprint is empty or has another algorithm.
    """
    if version is None:
        raise InvalidFingerprintError(name, "it is too short")
    if version != ALGORITHM_TEST2:
        raise InvalidFingerprintError(
            name,
            f"its algorithm byte is {version}; only {ALGORITHM_TEST2} is supported "
            "(fpcalc -algorithm 2, the default)",
        )
