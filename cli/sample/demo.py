"""A lookup to try: a sample recording as it sounds after a bad conversion."""

from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from cli.errors import StackError
from cli.sample.recordings import SampleRecording, sample_recordings
from pipeline.catalog.app.accounts import DEMO_API_KEY

DEMO_TITLE: Final = "The King is Dead"


def demo_recording() -> SampleRecording:
    """Return the recording that the demonstration looks up."""
    return next(each for each in sample_recordings() if each.title == DEMO_TITLE)


def demo_lookup() -> str:
    """Return the body of a demonstration lookup, for a POST to ``/v2/lookup``."""
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
    """Write the body of a demonstration lookup, for ``curl --data @FILE``.

    Raises:
        StackError: the file can't be written.
    """
    try:
        path.write_text(demo_lookup(), encoding="ascii")
    except OSError as error:
        raise StackError(f"{path} can't be written: {error.strerror}") from error
