"""What a benchmark's catalogue holds, by numbers: every part can be asked for without the others.

The first fingerprints are those of the sample's real recordings, all others are synthetic. One
synthetic fingerprint in five is a copy of the one before it, on the same track.
"""

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Final
from uuid import UUID

import numpy as np

from bench.catalogue.synthetic import Random, Synthesizer, degrade, flip
from cli.sample.recordings import SampleRecording, sample_recordings
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words

COPY_EVERY: Final = 5  # one fingerprint in so many is a track's second one
COPY_FLIPPED: Final = 0.05  # of its bits
UNLINKED_EVERY: Final = 10  # one track in so many has no MBID
MOST_DESCRIBED: Final = 100_000  # tracks of which MusicBrainz knows more
SHORTEST, LONGEST = 150, 450  # seconds of audio

LEAST_SCORE: Final = 0.85  # of a degraded synthetic fingerprint; compare2 of most is 0.96
LEAST_REAL_SCORE: Final = 0.5  # of a real one, badly converted

_FORM: Final = 0x4000_8000_0000_0000_0000  # version 4, and the variant that all UUIDs have
_TRACKS: Final = 0xBE9C7ACC << 96 | _FORM
_RECORDINGS: Final = 0xBE9C43C0 << 96 | _FORM


@dataclass(frozen=True, slots=True)
class Query:
    """A fingerprint to ask for.

    Attributes:
        duration: seconds of audio.
        track: which track is the right answer, None for none at all.
        least_score: that the right answer has.
    """

    words: Words
    duration: int
    track: UUID | None
    least_score: float = 0.0


@dataclass(frozen=True)
class Catalogue:
    """The content of a catalogue.

    Attributes:
        fingerprints: how many there are, at least as many as the sample has recordings.
        seed: of all that is made up.
    """

    fingerprints: int
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse one that the real recordings don't fit in."""
        if self.fingerprints < len(self._real):
            raise ValueError(f"a catalogue has at least {len(self._real)} fingerprints")

    @cached_property
    def _synthesizer(self) -> Synthesizer:
        return Synthesizer(self.seed)

    @cached_property
    def _real(self) -> list[tuple[SampleRecording, Words, Words]]:
        return [
            (each, decode(each.fingerprint).words, decode(each.degraded_fingerprint).words)
            for each in sample_recordings()
        ]

    @property
    def real(self) -> int:
        """How many of the fingerprints are real: numbers below it."""
        return len(self._real)

    def track(self, number: int) -> int:
        """Return the number of a fingerprint's track, which is that of its first fingerprint."""
        return number - 1 if self._is_copy(number) else number

    def track_gid(self, track: int) -> UUID:
        """Return a track's public id."""
        return UUID(int=_TRACKS | track)

    def mbid(self, track: int) -> UUID | None:
        """Return the MBID that a track is linked to, None for the few that are not."""
        if track < self.real:
            return UUID(self._real[track][0].mbid)
        return None if track % UNLINKED_EVERY == 0 else UUID(int=_RECORDINGS | track)

    def length(self, number: int) -> int:
        """Return a fingerprint's seconds of audio."""
        if number < self.real:
            return int(self._real[number][0].duration)
        track = self.track(number)
        return int(self._synthesizer.random("lengths", track).integers(SHORTEST, LONGEST + 1))

    def words(self, number: int) -> Words:
        """Return a fingerprint, uint32[948]."""
        if number < self.real:
            return self._real[number][1]
        words = self._synthesizer.fingerprint("catalogue", self.track(number))
        if not self._is_copy(number):
            return words
        return flip(words, COPY_FLIPPED, self._synthesizer.random("copies", number))

    def described(self) -> list[SampleRecording]:
        """Return the recordings of which MusicBrainz knows more: all linked ones, or a part."""
        step = -(-self.fingerprints // MOST_DESCRIBED)
        while gcd(step, COPY_EVERY * UNLINKED_EVERY) > 1:  # or it would meet the same kinds alone
            step += 1
        made_up = [
            self._describe(number, mbid)
            for number in range(self.real, self.fingerprints, step)
            if not self._is_copy(number) and (mbid := self.mbid(number))
        ]
        return [each for each, _, _ in self._real] + made_up

    def known(self, number: int, random: Random) -> Query:
        """Return a degraded copy of a fingerprint; of a real one, what a bad conversion made."""
        gid = self.track_gid(self.track(number))
        if number < self.real:
            recording, _, degraded = self._real[number]
            asked = flip(degraded, 0.001, random)
            return Query(asked, int(recording.degraded_duration), gid, LEAST_REAL_SCORE)
        asked = degrade(self.words(number), random)
        return Query(asked, self.length(number), gid, LEAST_SCORE)

    def unknown(self, number: int) -> Query:
        """Return a fingerprint that the catalogue has not."""
        random = self._synthesizer.random("unknown lengths", number)
        length = int(random.integers(SHORTEST, LONGEST + 1))
        return Query(self._synthesizer.fingerprint("unknown", number), length, None)

    def random(self, stream: str, number: int = 0) -> np.random.Generator:
        """Return the source of randomness of one thing of the catalogue's seed."""
        return self._synthesizer.random(stream, number)

    def _is_copy(self, number: int) -> bool:
        return number > self.real and number % COPY_EVERY == COPY_EVERY - 1

    def _describe(self, track: int, mbid: UUID) -> SampleRecording:
        return SampleRecording(
            mbid=str(mbid),
            title=f"Title {track}",
            artist=f"Artist {track // 48}",
            album=f"Album {track // 12}",
            duration=self.length(track),
            format="FLAC",
            bitrate=900,
            fingerprint="",
            degraded_duration=0.0,
            degraded_fingerprint="",
        )
