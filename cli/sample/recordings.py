"""The recordings of the sample catalogue: real fingerprints with their tags."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
PATH: Final = FOLDER / "recordings.jsonl.gz"
MUSICBRAINZ: Final = FOLDER / "mbdump"
"""The same recordings as rows of a MusicBrainz dump."""


@dataclass(frozen=True, slots=True)
class SampleRecording:
    """One recording.

    Attributes:
        mbid: its id in the MusicBrainz sample, and nowhere else.
        title: from the tags of the file.
        artist: likewise, ``[unknown]`` without one.
        album: likewise, empty without one.
        duration: seconds.
        format: of the file.
        bitrate: kbit/s.
        fingerprint: Chromaprint text of the first two minutes.
        degraded_duration: seconds of the same recording as Opus at 48 kbit/s.
        degraded_fingerprint: its fingerprint.
    """

    mbid: str
    title: str
    artist: str
    album: str
    duration: float
    format: str
    bitrate: int
    fingerprint: str
    degraded_duration: float
    degraded_fingerprint: str


def sample_recordings() -> list[SampleRecording]:
    """Return the recordings by artist, album and title."""
    with gzip.open(PATH, "rt", encoding="utf-8") as lines:
        return [SampleRecording(**json.loads(line)) for line in lines]
