"""The submissions of a run: their fingerprints, and what each must become.

A *recording* is a random fingerprint. Its submissions are of two classes: near copies of the
fingerprint, which are counted on one stored fingerprint, and copies of one variant, which are a
second fingerprint of the same track. The scores between the classes lie between the thresholds of
imports, whatever the order of imports is.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid5

import numpy as np

from pipeline.fingerprint.codec import encode
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy

_NAMESPACE: Final = UUID("7f0c8a5e-2222-4bbb-8bbb-00000000000f")
_WORDS: Final = 400
_COPY_SHARE: Final = 0.01
_VARIANT_SHARE: Final = 0.08
_STREAM: Final = 1_000_000

NEAR: Final = "near"
VARIANT: Final = "variant"
BAD: Final = "bad"
"""The class of submissions that must be rejected: their fingerprint is silence."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission as it is sent.

    Attributes:
        serial: its number in the run; its foreign id contains it.
        recording: the number of its recording.
        kind: `NEAR`, `VARIANT` or `BAD`.
        mbid: the MBID that it names.
        words: its fingerprint.
        duration: seconds.
    """

    serial: int
    recording: int
    kind: str
    mbid: UUID
    words: Words
    duration: int

    def form(self, suffix: int) -> dict[str, str]:
        """Return the parameters of the submission in a request."""
        fields = {
            "fingerprint": encode(self.words),
            "duration": str(self.duration),
            "mbid": str(self.mbid),
            "foreignid": self.foreignid,
            "track": f"Title {self.recording}",
        }
        return {f"{name}.{suffix}": value for name, value in fields.items()}

    @property
    def foreignid(self) -> str:
        """The foreign id, which no other submission has."""
        return f"torture:{self.serial}"


@dataclass
class Recording:
    """A recording and the state of its submissions.

    Attributes:
        number: its number.
        track: the public id of its track, None before the first import is known.
        known_since: the time (monotonic) at which an import was seen first.
    """

    number: int
    track: str | None = None
    known_since: float | None = None


@dataclass
class Model:
    """All submissions of a run. Thread-safe.

    Attributes:
        seed: the seed of the run's fingerprints.
        sent: the submissions that were sent, by serial.
        accepted: the serials by the id that a 200 reply gave them.
        refused: the serials of requests whose reply says that nothing was stored.
        final: the final state of each accepted id that is known.
        recordings: the recordings by number.
    """

    seed: int
    sent: dict[int, Submission] = field(default_factory=dict)
    accepted: dict[int, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    final: dict[int, str] = field(default_factory=dict)
    recordings: dict[int, Recording] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, random: np.random.Generator) -> Submission:
        """Return a new submission: of a new recording, of a known one, or a bad one."""
        with self._lock:
            serial = len(self.sent)
            known = len(self.recordings)
            dice = random.random()
            number = known
            if known and dice > 0.5:
                # Mostly recent ones, whose import is not complete.
                back = int(random.exponential(8.0))
                number = max(0, known - 1 - back)
            kind = NEAR if number == known else str(random.choice([NEAR, NEAR, VARIANT]))
            if dice < 0.02:
                kind, number = BAD, -1 - serial
            elif number == known:
                self.recordings[number] = Recording(number)
            created = self._submission(serial, number, kind, random)
            self.sent[serial] = created
            return created

    def _submission(
        self, serial: int, number: int, kind: str, random: np.random.Generator
    ) -> Submission:
        words = self.words(max(number, 0))
        if kind == BAD:
            words = np.full(_WORDS, 627964279, np.uint32)
        elif kind == VARIANT:
            words = near_copy(near_copy(words, 0, _VARIANT_SHARE), serial, _COPY_SHARE / 4)
        elif random.random() < 0.7:
            words = near_copy(words, serial, _COPY_SHARE)
        return Submission(
            serial,
            number,
            kind,
            self.mbid(number, int(random.random() < 0.2)),
            words,
            self.duration(number),
        )

    def words(self, number: int) -> Words:
        """Return the fingerprint of a recording."""
        return fingerprint(self.seed * _STREAM + number, _WORDS)

    def query(self, number: int, copy: int) -> Words:
        """Return a degraded copy of a recording, for lookups."""
        return near_copy(self.words(number), copy, 2 * _COPY_SHARE)

    def unknown(self, number: int) -> Words:
        """Return a fingerprint that no submission has."""
        return fingerprint((self.seed + 500) * _STREAM + number, _WORDS)

    def mbid(self, number: int, alternative: int = 0) -> UUID:
        """Return one of the two MBIDs of a recording."""
        return uuid5(_NAMESPACE, f"{self.seed}/{number}/{alternative}")

    def mbids(self, number: int) -> set[str]:
        """Return the MBIDs of a recording."""
        return {str(self.mbid(number, alternative)) for alternative in (0, 1)}

    @staticmethod
    def duration(number: int) -> int:
        """Return the duration of a recording in seconds."""
        return 100 + abs(number) % 200

    def accept(self, ids: dict[int, int]) -> None:
        """Note a 200 reply: serials by submission id."""
        with self._lock:
            self.accepted.update(ids)

    def refuse(self, serials: list[int]) -> None:
        """Note a reply that says that none of the submissions was stored."""
        with self._lock:
            self.refused.update(serials)

    def finish(self, submission_id: int, state: str, track: str | None) -> None:
        """Note a final state, and the track of an imported submission."""
        with self._lock:
            self.final[submission_id] = state
            submission = self.sent[self.accepted[submission_id]]
            recording = self.recordings.get(submission.recording)
            # A lookup may miss a track whose only fingerprint is the variant.
            is_near = submission.kind == NEAR and state == "imported"
            if recording and recording.known_since is None and is_near:
                recording.track, recording.known_since = track, time.monotonic()

    def open_ids(self) -> list[int]:
        """Return the accepted ids without a known final state."""
        with self._lock:
            return [each for each in self.accepted if each not in self.final]

    def findable(self, age: float) -> list[Recording]:
        """Return the recordings that have been imported for at least `age` seconds."""
        latest = time.monotonic() - age
        with self._lock:
            return [
                each
                for each in self.recordings.values()
                if each.known_since is not None and each.known_since <= latest
            ]

    def good(self) -> Iterator[tuple[int, Submission]]:
        """Yield the accepted submissions that must be imported, with their ids."""
        for submission_id, serial in sorted(self.accepted.items()):
            if self.sent[serial].kind != BAD:
                yield submission_id, self.sent[serial]
