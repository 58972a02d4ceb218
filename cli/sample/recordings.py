"""The recordings of the sample catalogue, and the demo lookup of one of them."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from cli.errors import StackError
from cli.stack.files.private_file import write_private
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY

FOLDER: Final = Path(__file__).parent
PATH: Final = FOLDER / "recordings.jsonl.gz"
MUSICBRAINZ: Final = FOLDER / "mbdump"
"""Folder with a MusicBrainz dump of the same recordings."""

DEMO_TITLE: Final = "The King is Dead"


@dataclass(frozen=True, slots=True)
class SampleRecording:
    """One recording.

    Attributes:
        mbid: an id that exists only in the sample, not in MusicBrainz.
        title: the title in the tags of the file.
        artist: the artist in the tags; ``[unknown]`` if missing.
        album: the album in the tags; empty if missing.
        duration: the duration in seconds.
        format: the format of the file.
        bitrate: the bitrate in kbit/s.
        fingerprint: the Chromaprint text of the first two minutes.
        degraded_duration: the duration in seconds of a copy in Opus at 48 kbit/s.
        degraded_fingerprint: the Chromaprint text of that copy.
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
    """Return the recordings, sorted by artist, album and title."""
    with gzip.open(PATH, "rt", encoding="utf-8") as lines:
        return [SampleRecording(**json.loads(line)) for line in lines]


def demo_recording() -> SampleRecording:
    """Return the recording that the demo lookup finds."""
    return next(each for each in sample_recordings() if each.title == DEMO_TITLE)


def demo_lookup() -> str:
    """Return the body of the demo lookup: a degraded copy of one recording."""
    recording = demo_recording()
    return urlencode(
        {
            "client": DEMO_API_KEY,
            "meta": "recordings",
            "duration": int(recording.degraded_duration),
            "fingerprint": recording.degraded_fingerprint,
        }
    )


def write_demo_lookup(path: Path) -> None:
    """Write the body of the demo lookup, for ``curl --data @FILE``.

    Raises:
        StackError: the file cannot be written.
    """
    try:
        write_private(path, demo_lookup())
    except OSError as error:
        raise StackError(f"{path} cannot be written: {error.strerror}") from error
