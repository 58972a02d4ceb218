"""What travels between the stages: typed batches and their form in a message.

A message is what MessagePack can carry: maps, lists, texts, numbers and bytes. Reading one
validates it, so that a stage never works on a message of another version's shape.
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

Message = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class TrackHit:
    """A track that a lookup found."""

    track_id: int
    gid: str  # as the client shall see it: a lookup by track id keeps the client's spelling
    score: float  # 0…1


@dataclass(slots=True)
class Lookup:
    """One fingerprint or track id to look up, and what the stages have learned of it so far."""

    request: int  # index into LookupBatch.metas: the request that asks
    duration: int = 0  # seconds of audio
    max_duration_diff: int = 7  # seconds
    fingerprint: bytes = b""  # Chromaprint, compressed: from the front end to `validate`
    track_gid: str = ""  # asked for by track id, then the fingerprint is empty
    words: bytes = b""  # 32-bit words, little-endian: from `validate` to `score`
    error: str = ""  # why `validate` refused the fingerprint
    same_as: int = -1  # index of the lookup in the batch that this one repeats, or -1
    hits: list[TrackHit] = field(default_factory=list)  # from `score`, best first


@dataclass(slots=True)
class LookupBatch:
    """The lookups of several requests, on their way through the stages together."""

    id: str
    reply_to: str  # Redis key of the front end's reply list
    deadline: float  # seconds since the epoch; nobody waits for an answer after it
    metas: list[str]  # per request: the words of its `meta` parameter, separated by spaces
    lookups: list[Lookup]


@dataclass(slots=True)
class LookupReply:
    """The answers of a batch, in the order of its lookups.

    Each answer is ``{"results": [...]}`` as the web service shows it, or ``{"error": reason}``;
    with ``failed`` set the batch as a whole could not be answered, with ``transient`` set for a
    reason that passes.
    """

    id: str
    answers: list[dict[str, Any]]
    failed: bool = False
    transient: bool = False


@dataclass(slots=True)
class BackgroundLookup:
    """The lookups of one request whose answers are kept for later."""

    lookups: list[Lookup]
    meta: str  # the words of the request's `meta` parameter, separated by spaces
    batch: bool  # whether all lookups are answered, or those up to the first valid one
    application_id: int  # for which they are counted


@dataclass(slots=True)
class Match:
    """A stored fingerprint that a submission resembles."""

    fingerprint_id: int
    track_id: int
    score: float  # compare2, 0…1


@dataclass(slots=True)
class TrackFit:
    """How a submission stands to all fingerprints of a track that it may join."""

    track_id: int
    min_score: float = 1.0  # the worst compare2 against a fingerprint of the track
    max_length_diff: int = 0  # seconds, the largest difference in length


@dataclass(slots=True)
class SubmissionInBatch:
    """A submission on its way through the stages."""

    id: int
    task_id: str = ""  # of the request that it came with
    twins: list[int] = field(default_factory=list)  # fingerprint ids with the same words
    matches: list[Match] = field(default_factory=list)  # best first
    fits: list[TrackFit] = field(default_factory=list)  # one for each track among the matches


@dataclass(slots=True)
class SubmissionBatch:
    """The submissions of several requests; their data is in the ingest database."""

    submissions: list[SubmissionInBatch]
    seen: int = 0  # changelog position up to which `score` has compared them

    @property
    def task_ids(self) -> list[str]:
        """The requests that they came with, each once."""
        return list(dict.fromkeys(candidate.task_id for candidate in self.submissions))


# Making one costs milliseconds, so each kind of batch has its own for good.
_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {
    kind: TypeAdapter(kind)
    for kind in (LookupBatch, LookupReply, BackgroundLookup, SubmissionBatch)
}


def to_message(batch: object) -> Message:
    """Return a batch in the form that a message carries."""
    message: Message = _ADAPTERS[type(batch)].dump_python(batch)
    return message


def from_message(kind: type[T], message: Message) -> T:
    """Return the batch that a message carries.

    Raises:
        pydantic.ValidationError: the message is not of this shape.
    """
    batch: T = _ADAPTERS[kind].validate_python(message)
    return batch
