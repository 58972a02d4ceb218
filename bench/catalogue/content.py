"""The content of a benchmark's catalogue. Each fingerprint is computed from its number.

The first fingerprints are those of the sample's real recordings. All others are synthetic. One
synthetic fingerprint in five is a copy of the previous one, on the same track.
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

COPY_EVERY: Final = 5  # one fingerprint in 5 is the second one of its track
COPY_FLIPPED: Final = 0.05  # share of the bits that differ in a copy
UNLINKED_EVERY: Final = 10  # one track in 10 has no MBID
MAX_DESCRIBED: Final = 100_000  # tracks with rows in MusicBrainz
SHORTEST, LONGEST = 150, 450  # seconds of audio

LEAST_SCORE: Final = 0.85  # of a degraded synthetic fingerprint; typical: 0.96
LEAST_REAL_SCORE: Final = 0.5  # of a real one after lossy compression

_FORM: Final = 0x4000_8000_0000_0000_0000  # version 4, RFC 9562 variant
_TRACKS: Final = 0xBE9C7ACC << 96 | _FORM
_RECORDINGS: Final = 0xBE9C43C0 << 96 | _FORM


@dataclass(frozen=True, slots=True)
class CatalogueQuery:
    """A fingerprint to look up and its correct result.

    Attributes:
        words: the fingerprint, uint32.
        duration: the duration of the audio in seconds.
        track: the correct track; None if the correct result is empty.
        least_score: the minimum score of the correct track.
    """

    words: Words
    duration: int
    track: UUID | None
    least_score: float = 0.0


@dataclass(frozen=True)
class BenchCatalogue:
    """A catalogue of synthetic and real fingerprints.

    Attributes:
        fingerprints: the number of fingerprints, at least the number of the sample's recordings.
        seed: the seed of the random data.
    """

    fingerprints: int
    seed: int = 1

    def __post_init__(self) -> None:
        """Check that the real recordings fit."""
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
        """Number of real fingerprints; these have the lowest numbers."""
        return len(self._real)

    def track(self, number: int) -> int:
        """Return the number of a fingerprint's track: that of the track's first fingerprint."""
        return number - 1 if self._is_copy(number) else number

    def track_gid(self, track: int) -> UUID:
        """Return a track's public id."""
        return UUID(int=_TRACKS | track)

    def mbid(self, track: int) -> UUID | None:
        """Return the MBID of a track; None for an unlinked track."""
        if track < self.real:
            return UUID(self._real[track][0].mbid)
        return None if track % UNLINKED_EVERY == 0 else UUID(int=_RECORDINGS | track)

    def length(self, number: int) -> int:
        """Return the duration of a fingerprint in seconds."""
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
        """Return the recordings that are in MusicBrainz: at most about `MAX_DESCRIBED`."""
        step = -(-self.fingerprints // MAX_DESCRIBED)
        while (
            gcd(step, COPY_EVERY * UNLINKED_EVERY) > 1
        ):  # with an even distance all of them would be of the same kind
            step += 1
        synthetic = [
            self._describe(number, mbid)
            for number in range(self.real, self.fingerprints, step)
            if not self._is_copy(number) and (mbid := self.mbid(number))
        ]
        return [each for each, _, _ in self._real] + synthetic

    def known(self, number: int, random: Random) -> CatalogueQuery:
        """Return a degraded copy of a fingerprint. Lossy compression degrades the real ones."""
        gid = self.track_gid(self.track(number))
        if number < self.real:
            recording, _, degraded = self._real[number]
            words = flip(degraded, 0.001, random)
            return CatalogueQuery(words, int(recording.degraded_duration), gid, LEAST_REAL_SCORE)
        words = degrade(self.words(number), random)
        return CatalogueQuery(words, self.length(number), gid, LEAST_SCORE)

    def unknown(self, number: int) -> CatalogueQuery:
        """Return a fingerprint that is not in the catalogue."""
        random = self._synthesizer.random("unknown lengths", number)
        length = int(random.integers(SHORTEST, LONGEST + 1))
        return CatalogueQuery(self._synthesizer.fingerprint("unknown", number), length, None)

    def random(self, stream: str, number: int = 0) -> np.random.Generator:
        """Return the random generator of one number in a stream."""
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
