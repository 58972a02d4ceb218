"""The messages between the front end and the stages, as typed batches.

A message has the types of MessagePack: maps, lists, texts, numbers and bytes. `from_message`
validates it, so a stage never processes a message in the format of another version.
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from pipeline.thresholds import LOOKUP_LENGTH_DIFF

Message = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class RecordingPart:
    """Where an excerpt lies in a recording."""

    offset: float  # seconds; place in the recording of the excerpt's first word, may be negative
    duration: float  # seconds of the excerpt that agree with the recording
    matched: float  # 0…1; share of equal bits in this part


@dataclass(slots=True)
class TrackHit:
    """A track that a lookup found."""

    track_id: int
    gid: str  # as in the answer; in a lookup by track id as the client spelled it
    score: float  # 0…1
    match: RecordingPart | None = None  # where the sketch index found it


@dataclass(slots=True)
class Lookup:
    """One fingerprint or track id to look up, and the results of the stages so far."""

    request: int  # index of its request in LookupBatch.metas
    duration: int = 0  # seconds of audio
    max_duration_diff: int = LOOKUP_LENGTH_DIFF  # seconds
    fingerprint: bytes = b""  # compressed fingerprint; the front end sets it, `validate` clears it
    track_gid: str = ""  # the id to look up, for a lookup by track id
    words: bytes = b""  # 32-bit words, little-endian; `validate` sets it, `score` clears it
    error: str = ""  # reason why `validate` refused the fingerprint
    same_as: int = -1  # index of an equal, earlier lookup of the batch, or -1
    hits: list[TrackHit] = field(default_factory=list)  # best first; `score` sets it
    partial: bool = False  # hits may have been left out; `score` sets it
    excerpt: bool = False  # the fingerprint is that of an excerpt; the sketch index finds it
    second_chance: bool = False  # without hits, the sketch index is searched too


@dataclass(slots=True)
class LookupBatch:
    """The lookups of several requests, which the stages process together."""

    id: str
    reply_to: str  # Redis key of the front end's reply list
    deadline: float  # seconds since the epoch by the clock of Redis; then no request waits
    metas: list[str]  # `meta` words of each request, separated by spaces
    lookups: list[Lookup]
    passes: int = 0  # number of workers with an unusable index that have passed it on


@dataclass(slots=True)
class LookupReply:
    """The answers of a batch, in the order of its lookups.

    Attributes:
        answers: each is ``{"results": [...]}`` as in the web service, or ``{"error": reason}``.
            ``"partial": True`` follows the results if some may have been left out.
        failed: the batch could not be answered, and there are no answers.
        transient: the reason of the failure is temporary.
    """

    id: str
    answers: list[dict[str, Any]]
    failed: bool = False
    transient: bool = False


@dataclass(slots=True)
class BackgroundLookup:
    """The lookups of one request with ``async=1``, whose answers are stored."""

    lookups: list[Lookup]
    meta: str  # `meta` words of the request, separated by spaces
    batch: bool  # answer all lookups, or only those up to the first valid one
    application_id: int  # application whose statistics count them


@dataclass(slots=True)
class Match:
    """A stored fingerprint that is similar to a submission."""

    fingerprint_id: int
    track_id: int
    score: float  # compare2, 0…1
    size: int = 0  # number of words of the stored fingerprint


@dataclass(slots=True)
class TrackFit:
    """How similar a submission is to all fingerprints of a track that it may join."""

    track_id: int
    min_score: float = 1.0  # the lowest compare2 score with a fingerprint of the track
    max_length_diff: int = 0  # seconds, the largest difference in length


@dataclass(slots=True)
class SubmissionInBatch:
    """A submission of a batch, and the results of the stages so far."""

    id: int
    task_id: str = ""  # task id of its request
    twins: list[int] = field(default_factory=list)  # ids of stored fingerprints with the same words
    matches: list[Match] = field(default_factory=list)  # best first
    fits: list[TrackFit] = field(default_factory=list)  # one for each track of the matches


@dataclass(slots=True)
class SubmissionBatch:
    """The submissions of several requests; their data is in the ingest database."""

    submissions: list[SubmissionInBatch]
    seen: int = 0  # changelog position up to which `score` compared fingerprints

    @property
    def task_ids(self) -> list[str]:
        """The task ids of the requests, each once."""
        return list(dict.fromkeys(each.task_id for each in self.submissions))


# Making an adapter takes milliseconds, so each is made once.
_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {
    kind: TypeAdapter(kind)
    for kind in (LookupBatch, LookupReply, BackgroundLookup, SubmissionBatch)
}


def to_message(batch: object) -> Message:
    """Return a batch as a message."""
    message: Message = _ADAPTERS[type(batch)].dump_python(batch)
    return message


def from_message(kind: type[T], message: Message) -> T:
    """Return the batch of a message.

    Raises:
        pydantic.ValidationError: the message has another format.
    """
    batch: T = _ADAPTERS[kind].validate_python(message)
    return batch
