"""Tests of fingerprints of audio files, with a program in place of fpcalc."""

import os
from pathlib import Path

import pytest

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.fpcalc import (
    WHOLE_FILE,
    Fingerprinted,
    calculate,
    find_fpcalc,
)
from cli.errors import StackError
from tests.support.audio_files import answer_seconds, answer_with, write_fpcalc


@pytest.fixture
def fpcalc(tmp_path: Path) -> str:
    return str(write_fpcalc(tmp_path))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "-a [song] with 'quotes'.mp3"
    path.touch()
    return path


@pytest.mark.parametrize(("duration", "seconds"), [(222.5, 223), (223.89, 224), (7, 7)])
def test_the_duration_is_rounded_half_up(
    song: Path, fpcalc: str, duration: float, seconds: int
) -> None:
    answer_seconds(song, duration)
    assert calculate(song, fpcalc) == Fingerprinted(seconds, "AQAAAQcZ")


@pytest.mark.parametrize("duration", ["0.3", "40000.5", "null", "NaN"])
def test_a_duration_that_is_not_valid_is_an_error(song: Path, fpcalc: str, duration: str) -> None:
    answer_with(song, f'echo \'{{"duration": {duration}, "fingerprint": "AQAA"}}\'; exit 0')
    with pytest.raises(BadFileError, match="is not a number of seconds from 1 to 32767"):
        calculate(song, fpcalc)


@pytest.mark.parametrize("status", [0, 1, 2, 3])
def test_a_printed_fingerprint_counts_whatever_the_exit_status(
    song: Path, fpcalc: str, status: int
) -> None:
    output = '{"duration": 12.3, "fingerprint": "AQAA"}'
    answer_with(song, f"echo 'ERROR: End of file' >&2; echo '{output}'; exit {status}")
    assert calculate(song, fpcalc) == Fingerprinted(12, "AQAA")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'ERROR: Could not open it' >&2; exit 2", "fpcalc cannot read it: Could not open it"),
        ("echo 'ERROR: Empty fingerprint' >&2; exit 2", "too short for a fingerprint"),
        ('echo \'{"duration": 1, "fingerprint": ""}\'; exit 0', "too short for a fingerprint"),
        ("exit 7", "exit status 7"),
        ("exit 0", "exit status 0"),
        ("echo '[]'; exit 0", "exit status 0"),
        ("echo 'FINGERPRINT=AQAA'; exit 0", "exit status 0"),
        ("kill -9 $$", "signal 9"),
    ],
)
def test_no_fingerprint_is_an_error_with_the_reason(
    song: Path, fpcalc: str, script: str, reason: str
) -> None:
    answer_with(song, script)
    with pytest.raises(BadFileError, match=reason):
        calculate(song, fpcalc)


def test_a_path_that_is_no_file_is_an_error(tmp_path: Path, fpcalc: str) -> None:
    pipe = tmp_path / "pipe.mp3"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.mp3"
    loop.symlink_to(loop)
    for path, reason in [
        (tmp_path / "none.mp3", "no such file"),
        (pipe, "not a regular file"),
        (loop, "too many levels of symbolic links"),
        (Path("a\0b"), "null"),
        (Path("x" * 300), "file name too long"),
    ]:
        with pytest.raises(BadFileError, match=reason):
            calculate(path, fpcalc)


def test_a_program_that_cannot_run_is_an_error(song: Path, tmp_path: Path) -> None:
    program = tmp_path / "fpcalc"
    program.write_bytes(b"\x7fELF, but of another machine")
    program.chmod(0o755)
    with pytest.raises(BadFileError, match="cannot run: exec format error"):
        calculate(song, str(program))


def test_a_missing_program_is_named_with_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="libchromaprint-tools"):
        find_fpcalc()


def test_the_length_of_the_audio_is_chosen(song: Path, fpcalc: str) -> None:
    """By default the first 120 s are fingerprinted; 0 is the whole file."""
    answer_with(song, 'echo "{\\"duration\\": 300, \\"fingerprint\\": \\"AQ$3\\"}"; exit 0')
    assert calculate(song, fpcalc) == Fingerprinted(300, "AQ120")
    assert calculate(song, fpcalc, WHOLE_FILE) == Fingerprinted(300, "AQ0")
