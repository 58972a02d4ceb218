"""Makes submissions of audio files: their fingerprints and the metadata in their tags."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from cli.commands.client.audio import fpcalc
from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.parallel_files import run_in_order
from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.audio_tags import AudioTags, read_tags
from pipeline.submission_fields import MAX_BITRATE

BATCH: Final = 20  # files that are computed ahead

TEXTS: Final = MappingProxyType(
    {
        "track": tag_names.TITLE,
        "artist": tag_names.ARTIST,
        "album": tag_names.ALBUM,
        "albumartist": tag_names.ALBUM_ARTIST,
    }
)
"""Fields of a submission with a text, and their tags."""

NUMBERS: Final = MappingProxyType(
    {"trackno": tag_names.TRACK, "discno": tag_names.DISC, "year": tag_names.DATE}
)
"""Fields of a submission with the number at the start of a tag, such as ``3/12``."""

FORMATS: Final = MappingProxyType(
    {
        "ASF": "WMA",
        "MonkeysAudio": "APE",
        "OggFLAC": "FLAC",
        "OggOpus": "Opus",
        "OggSpeex": "Speex",
        "OggVorbis": "Ogg Vorbis",
        "TrueAudio": "TTA",
        "WAVE": "WAV",
    }
)
"""Formats by Mutagen's class; other classes have the name of the format."""

NOTHING_TO_SUBMIT: Final = "its tags have neither an MBID nor a title"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A submission of one file.

    Attributes:
        path: the file.
        fields: the fields of a line of a JSON-lines file, see `acoustid submit`.
    """

    path: Path
    fields: Mapping[str, Any]


def file_entries(
    paths: Iterable[Path], jobs: int, refuse: Callable[[Path, str], None]
) -> Iterator[FileEntry]:
    """Yield a submission for each file, in the order of the files.

    Args:
        paths: audio files.
        jobs: number of files whose fingerprints are computed beside each other.
        refuse: receives each file that is left out, with the reason: fpcalc cannot read it, or it
            has neither an MBID nor a title.

    Raises:
        StackError: fpcalc is not installed.
    """
    program = fpcalc.find_fpcalc()
    for batch in run_in_order(lambda path: _fields(path, program), paths, jobs, BATCH):
        for each in batch:
            if isinstance(each.value, BadFileError):
                refuse(each.path, each.value.message)
            else:
                yield FileEntry(each.path, each.value)


def _fields(path: Path, program: str) -> Mapping[str, Any]:
    fpcalc.check_is_file(path)
    metadata = tag_fields(read_tags(path))
    if not (metadata.get("mbid") or metadata.get("track")):
        raise BadFileError(NOTHING_TO_SUBMIT)
    found = fpcalc.calculate(path, program)
    return {"fingerprint": found.fingerprint, "duration": found.duration, **metadata}


def tag_fields(tags: AudioTags) -> dict[str, Any]:
    """Return the metadata of a submission. Unknown fields are absent."""
    texts = {name: "; ".join(tags.get(tag)) for name, tag in TEXTS.items()}
    numbers = {name: _number(tags.get(tag)) for name, tag in NUMBERS.items()}
    fields = {
        "mbid": [each for each in tags.get(tag_names.RECORDING) if _is_uuid(each)],
        **texts,
        **numbers,
        "bitrate": _bitrate(tags),
        "format": _format(tags),
    }
    return {name: value for name, value in fields.items() if value}


def _number(values: list[str]) -> int | None:
    found = re.match(r"\s*([0-9]{1,9})(?![0-9])", values[0]) if values else None
    return int(found[1]) if found else None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _bitrate(tags: AudioTags) -> int | None:
    """Return the bit rate in kbit/s; None if it is unknown or no field can contain it."""
    bits = getattr(tags.file.info, "bitrate", None) or 0
    kilobits = round(bits / 1000)
    return kilobits if 1 <= kilobits <= MAX_BITRATE else None


def _format(tags: AudioTags) -> str:
    kind = type(tags.file).__name__
    if kind == "MP4":
        return "ALAC" if getattr(tags.file.info, "codec", "") == "alac" else "AAC"
    return FORMATS.get(kind, kind)
