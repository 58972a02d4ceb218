"""Tests of the list of audio files of a command line."""

import os
from pathlib import Path

import pytest

from cli.commands.client.audio.file_walk import find_audio_files

Walked = tuple[list[str], dict[str, str]]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*names: str) -> None:
    """Write empty files."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def walk(*paths: str) -> Walked:
    """Return the files, and the reasons of what is refused."""
    refused: dict[str, str] = {}
    found = find_audio_files(map(Path, paths), lambda path, why: refused.update({str(path): why}))
    return [str(each) for each in found], refused


def test_a_directory_is_walked_in_the_order_of_the_names() -> None:
    write("m/b.MP3", "m/a.flac", "m/cover.jpg", "m/notes", "m/2/x.ogg", "m/10/x.m4a", "m/[y] *.wav")
    files = ["m/[y] *.wav", "m/a.flac", "m/b.MP3", "m/10/x.m4a", "m/2/x.ogg"]
    assert walk("m") == (files, {})


def test_hidden_files_are_omitted_below_a_directory_only() -> None:
    write("m/a.mp3", "m/._a.mp3", "m/.trash/b.mp3", ".hidden/c.mp3")
    assert walk("m", "m/._a.mp3", ".hidden") == (["m/a.mp3", "m/._a.mp3", ".hidden/c.mp3"], {})


def test_a_file_that_is_named_is_always_part() -> None:
    write("a.txt")
    assert walk("b.mp3", "a.txt", "a.txt") == (["b.mp3", "a.txt", "a.txt"], {})


def test_loops_of_links_end_and_no_directory_is_listed_twice() -> None:
    write("m/a/x.mp3", "m/b/y.mp3", "other/z.mp3")
    Path("m/a/up").symlink_to("..")
    Path("m/b/self").symlink_to(".")
    Path("m/other").symlink_to("../other")
    files = ["m/a/x.mp3", "m/b/y.mp3", "m/other/z.mp3"]
    assert walk("m", "m/a", "other") == (files, {})
    assert walk("m/b", "m") == (["m/b/y.mp3", "m/a/x.mp3", "m/other/z.mp3"], {})


def test_only_files_and_broken_links_are_part() -> None:
    write("m/a.mp3", "m/folder.mp3/b.mp3")
    os.mkfifo("m/pipe.mp3")
    Path("m/link.mp3").symlink_to("a.mp3")
    Path("m/broken.mp3").symlink_to("none")
    files = ["m/a.mp3", "m/broken.mp3", "m/link.mp3", "m/folder.mp3/b.mp3"]
    assert walk("m") == (files, {})


def test_a_directory_without_audio_is_refused() -> None:
    write("m/a.txt", "n/b.mp3")
    assert walk("m", "n") == (["n/b.mp3"], {"m": "no audio file below this directory"})


def test_a_directory_that_cannot_be_listed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write("m/a.mp3", "m/locked/b.mp3", "m/z/c.mp3")
    scan = os.scandir

    def refuse(path: str) -> "os.ScandirIterator[str]":  # root may list any directory
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert walk("m") == (["m/a.mp3", "m/z/c.mp3"], {"m/locked": "permission denied"})
    assert walk("m/locked") == ([], {"m/locked": "permission denied"})


def test_names_that_are_not_utf_8_are_found() -> None:
    os.mkdir("m")  # noqa: PTH102
    with open(b"m/\xff.mp3", "wb"):  # noqa: PTH123 - a path of bytes
        pass
    [found], _ = walk("m")
    assert os.fsencode(found) == b"m/\xff.mp3"
