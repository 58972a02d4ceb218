"""Real recordings with degraded copies, whose correct recording and place are given."""

import gzip
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from cli.errors import StackError
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words

BUNDLED: Final = Path(__file__).parent / "data"
"""Folder with some recordings, chosen at random."""

FINGERPRINTS: Final = "fingerprints.jsonl.gz"
ROUGH: Final = "rough.jsonl.gz"

WORD_SECONDS: Final = 4096 / 3 / 11025
"""Seconds of audio from one word to the next: Chromaprint's step at 11,025 Hz."""

SAME_MUSIC: Final = (
    ("11fc1bd431b1", "f22aede7aa07"),
    ("4c864a34f433", "a9a51fd46f88"),
    ("8466514d72a7", "f8e76cf9009e"),
)
"""Pairs of recordings that contain the same music. For a copy of one, both are correct."""

SHARED_PARTS: Final = (
    ("b8789cab6c8e", "fe4eec8b666c"),  # two pieces of one soundtrack
    ("4ac4e0edb898", "cb95bd7b578d"),  # `track3_enhanced` and `track3`
    ("dedfbd0fc31c", "bcd7c3b41ca3"),  # two pieces of one soundtrack with the same start
    ("615ccf3fbac7", "a0356ab11951"),  # a song with another lead: "fof rhythm", "fof guitar"
)
"""Pairs of recordings with a part in common: 72 % to 91 % of its bits are equal, and about half
between unrelated recordings. A match of one with the other is not false.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A degraded copy of a recording, or a piece of it.

    Attributes:
        kind: how it was made.
        words: its fingerprint, uint32[n].
        duration: seconds of its audio.
        place: the correct answer for its first word: seconds of the recording, negative if the
            variant begins before the recording.
        other: the id of another recording that it also contains, or an empty text.
    """

    kind: str
    words: Words
    duration: float
    place: float
    other: str = ""

    @property
    def is_excerpt(self) -> bool:
        """Whether it is a piece: its duration is not that of the recording."""
        return self.kind.startswith("excerpt")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording with its variants.

    Attributes:
        id: its id in the data.
        words: its fingerprint, uint32[n].
        duration: seconds of its audio.
        variants: at most one of each kind.
    """

    id: str
    words: Words
    duration: float
    variants: tuple[Variant, ...]

    def variant(self, kind: str) -> Variant | None:
        """Return the variant of a kind, None if it has none."""
        return next((each for each in self.variants if each.kind == kind), None)


class VariantRow(BaseModel):
    """A variant in a file; the README of the data describes the fields."""

    kind: str
    fingerprint: str
    duration: float
    start: float = 0.0
    intro: float = 0.0
    intro_id: str = ""
    cut: tuple[float, float] | None = None


class RoughRow(BaseModel):
    """A line of `ROUGH`."""

    id: str
    variants: list[VariantRow]


class RecordingRow(RoughRow):
    """A line of `FINGERPRINTS`."""

    fingerprint: str
    duration: float


Row = TypeVar("Row", bound=RoughRow)


def load_recordings(folder: Path, kinds: Collection[str] | None = None) -> list[Recording]:
    """Read the recordings of a folder.

    `FINGERPRINTS` has the recordings with variants. `ROUGH` has more variants of them, and may be
    absent; if both have a kind, that of `ROUGH` is used.

    Args:
        folder: the folder with the files.
        kinds: the kinds of variants to read; None for all.

    Raises:
        StackError: a file cannot be read or has another form, or no recording has such a variant.
    """
    rough = folder / ROUGH
    more = {row.id: row.variants for row in _rows(rough, RoughRow)} if rough.exists() else {}
    path = folder / FINGERPRINTS
    found = []
    for row in _rows(path, RecordingRow):
        variants = _chosen([*more.get(row.id, ()), *row.variants], kinds)
        try:
            found.append(_recording(row, variants))
        except ValueError as error:
            raise StackError(f"{folder}: recording {row.id}: {error}") from error
    if not any(each.variants for each in found):
        wanted = f" of the kinds {', '.join(sorted(kinds))}" if kinds else ""
        raise StackError(f"{folder} has no variants{wanted}")
    return found


def kinds_of(recordings: Sequence[Recording]) -> list[str]:
    """Return the kinds of all variants, in the order of the data."""
    return list(dict.fromkeys(each.kind for one in recordings for each in one.variants))


def same_music(recording: str) -> frozenset[str]:
    """Return the ids of the recordings that are correct for a copy of this one."""
    return frozenset({recording}.union(*(pair for pair in SAME_MUSIC if recording in pair)))


def related(recording: str) -> frozenset[str]:
    """Return the ids of the recordings that have music in common with this one, and its own."""
    pairs = (*SAME_MUSIC, *SHARED_PARTS)
    return frozenset({recording}.union(*(pair for pair in pairs if recording in pair)))


def place_of(row: VariantRow, stored: float) -> float:
    """Return the place of a variant's first word in the recording, in seconds.

    A copy from which a part was cut out consists of two parts. The longer one gives the place.

    Args:
        row: the variant.
        stored: seconds of the recording that its fingerprint covers.
    """
    place = row.start - row.intro
    if row.cut and stored - row.cut[1] > row.cut[0]:
        place += row.cut[1] - row.cut[0]
    return place


def _recording(row: RecordingRow, variants: Sequence[VariantRow]) -> Recording:
    words = decode(row.fingerprint).words
    return Recording(
        row.id,
        words,
        row.duration,
        tuple(
            Variant(
                each.kind,
                decode(each.fingerprint).words,
                each.duration,
                place_of(each, len(words) * WORD_SECONDS),
                each.intro_id,
            )
            for each in variants
        ),
    )


def _chosen(rows: Sequence[VariantRow], kinds: Collection[str] | None) -> list[VariantRow]:
    """Return the first row of each wanted kind."""
    first: dict[str, VariantRow] = {}
    for row in rows:
        if kinds is None or row.kind in kinds:
            first.setdefault(row.kind, row)
    return list(first.values())


def _rows(path: Path, model: type[Row]) -> Iterator[Row]:
    try:
        with gzip.open(path) as lines:
            yield from map(model.model_validate_json, lines)
    except (OSError, EOFError) as error:
        raise StackError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise StackError(f"{path} has another form: {error.errors()[0]['msg']}") from error
