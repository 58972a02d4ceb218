"""Makes submissions of audio files: their fingerprints and the metadata in their tags."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from cli.commands.client.audio import fpcalc
from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.file_items import (
    file_items,
    fingerprint_fields,
    identity_of,
    refusal,
)
from cli.commands.client.audio.file_walk import find_audio_files
from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.audio_tags import AudioTags, read_tags
from cli.commands.client.entries.entry import IsDone, Item
from pipeline.submission_fields import MAX_BITRATE

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
SINGLE_FILE: Final = ": give --track or --mbid"


def submission_items(
    paths: Sequence[Path],
    jobs: int,
    is_done: IsDone,
    chosen: Mapping[str, Any],
    *,
    full: bool = False,
) -> tuple[Iterator[Item], int]:
    """Return a submission, or a refusal, for each audio file of a command line, and their number.

    A file is refused if fpcalc cannot read it, or if it has neither an MBID nor a title. A
    directory is refused if it cannot be read or has no audio file; it comes after the files.

    Args:
        paths: files and directories.
        jobs: number of files that are read in parallel.
        is_done: returns whether an earlier run has done a file, see `file_items`.
        chosen: fields that replace those of the tags.
        full: the fingerprints are those of whole files, not of the first 120 s.

    Returns:
        the entries that are not done yet, and the number of all.

    Raises:
        StackError: there are audio files, and fpcalc is not installed.
    """
    refused: list[tuple[Path, str]] = []
    files = find_audio_files(paths, lambda path, reason: refused.append((path, reason)))
    program = fpcalc.find_fpcalc() if files else ""
    hint = SINGLE_FILE if files == list(paths) and len(files) == 1 else ""

    def fields(file: Path) -> Mapping[str, Any]:
        metadata = _metadata(file, chosen, hint)
        length = fpcalc.WHOLE_FILE if full else fpcalc.LENGTH
        return {**fingerprint_fields(fpcalc.calculate(file, program, length)), **metadata}

    def items() -> Iterator[Item]:
        yield from file_items(files, fields, jobs, is_done)
        for position, (path, reason) in enumerate(refused, len(files) + 1):
            if not is_done(position, identity_of(path)):
                yield refusal(position, path, reason)

    return items(), len(files) + len(refused)


def _metadata(file: Path, chosen: Mapping[str, Any], hint: str) -> Mapping[str, Any]:
    """Return the metadata of a file's tags, or the chosen ones in their place.

    Raises:
        BadFileError: the file cannot be read, or there is neither an MBID nor a title.
    """
    fpcalc.check_is_file(file)
    try:
        metadata = {**tag_fields(read_tags(file)), **chosen}
    except BadFileError:
        if not chosen:
            raise
        metadata = dict(chosen)
    if not (metadata.get("mbid") or metadata.get("track")):
        raise BadFileError(NOTHING_TO_SUBMIT + hint)
    return metadata


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
