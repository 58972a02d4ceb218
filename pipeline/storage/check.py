"""Checks of a whole folder, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.storage.format import MANIFEST_NAME, ManifestT
from pipeline.storage.manifest import read_manifest
from pipeline.storage.segment_files import (
    is_of_earlier_version,
    later_files,
    list_segments,
    unknown_files,
)
from pipeline.storage.snapshot import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pipeline.storage.errors import StorageCorrupt
    from pipeline.storage.format import SegmentEntry, StorageFormat


def verify_folder(
    format_: StorageFormat[Any, Any],
    directory: Path,
    content_problems: Callable[[Any], Iterable[str]],
) -> list[str]:
    """Read a whole folder and list its problems. Other processes may read and write it.

    Args:
        format_: the format of the folder.
        directory: the folder.
        content_problems: lists further problems of a segment with correct checksums.

    Returns:
        One line for each problem, with the file; empty if there is none.
    """
    while True:
        try:
            manifest = read_manifest(format_, directory)
            if manifest is None:
                missing = f"{directory / MANIFEST_NAME}: is missing{_reason(format_, directory)}"
                return [missing, *map(_line, unknown_files(format_, directory))]
            problems = [
                problem
                for entry in manifest.segments
                for problem in _entry_problems(
                    format_, directory, entry, manifest.next_segment, content_problems
                )
            ]
            problems += map(_line, later_files(format_, directory, manifest))
            problems += map(_line, unknown_files(format_, directory))
            # A merge may have replaced and deleted a segment in the meantime.
            if not problems or read_manifest(format_, directory) == manifest:
                return problems
        except format_.corrupt as error:
            return [_line(error)]


def refused_files(format_: StorageFormat[ManifestT, Any], directory: Path) -> list[StorageCorrupt]:
    """Return why a writer refuses a folder because of the names of files in it.

    The content of the segments is not read. Other processes may write the folder.

    Raises:
        StorageCorrupt: the manifest is damaged or missing.
    """
    while True:
        load_snapshot(format_, directory).close()
        manifest = read_manifest(format_, directory)
        found = [*unknown_files(format_, directory)]
        if manifest and not is_of_earlier_version(directory):
            found += later_files(format_, directory, manifest)
        if not found or read_manifest(format_, directory) == manifest:
            return found


def _entry_problems(
    format_: StorageFormat[Any, Any],
    directory: Path,
    entry: SegmentEntry,
    next_segment: int,
    content_problems: Callable[[Any], Iterable[str]],
) -> Iterator[str]:
    path = directory / entry.file_name
    if entry.number >= next_segment:
        manifest = directory / MANIFEST_NAME
        yield f"{manifest}: has segment {entry.number}, but the next number is {next_segment}"
    try:
        segment = format_.open_segment(directory, entry)
        segment.check()
    except FileNotFoundError:
        yield f"{path}: is missing"
    except format_.corrupt as error:
        yield _line(error)
    else:
        yield from (f"{path}: {problem}" for problem in content_problems(segment))


def _reason(format_: StorageFormat[Any, Any], directory: Path) -> str:
    if list_segments(directory, format_.suffix).any():
        return " although segments exist"
    return f"; there is no {format_.noun} here"


def _line(error: StorageCorrupt) -> str:
    """Return the file, its problem, and a remedy of its own.

    The caller names the usual remedy, once for all lines.
    """
    is_usual = error.remedy == error.usual_remedy
    return f"{error.path}: {error.problem}" if is_usual else str(error)
