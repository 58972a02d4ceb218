"""Logs that are renamed when they are full: no line is lost or cut."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.logs.rotated_file import RotatedFile, numbered

SIZE = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


def files(path: Path) -> list[bytes]:
    """Return the contents of the files of a log, the oldest first."""
    count = len(list(path.parent.glob(f"{path.name}.*")))
    found = [numbered(path, number).read_bytes() for number in range(count, 0, -1)]
    return [*found, path.read_bytes()]


def lines(count: int, longest: int = 300) -> bytes:
    """Return lines of random lengths, each with its number."""
    source = random.Random(7)
    return b"".join(
        b"%d %s\n" % (number, b"x" * source.randrange(longest)) for number in range(count)
    )


@pytest.mark.parametrize("chunk", [1, 7, 100, 999, 1000, 1001, 65536])
def test_no_line_is_lost_or_cut(path: Path, chunk: int) -> None:
    text = lines(200)
    log = RotatedFile(path, SIZE, old_files=99)
    for start in range(0, len(text), chunk):
        log.write(text[start : start + chunk])
    found = files(path)
    assert b"".join(found) == text
    assert len(found) > 20
    assert all(each.endswith(b"\n") for each in found)
    assert all(len(each) <= SIZE + 300 for each in found)


def test_the_number_of_files_is_limited(path: Path) -> None:
    log = RotatedFile(path, SIZE, old_files=3)
    text = lines(500)
    log.write(text)
    found = files(path)
    assert len(found) == 4
    assert text.endswith(b"".join(found))


def test_a_log_is_continued_after_a_restart(path: Path) -> None:
    text = lines(100)
    for start in range(0, len(text), 150):
        log = RotatedFile(path, SIZE, old_files=99)
        log.write(text[start : start + 150])
        log.close()
    assert b"".join(files(path)) == text
    assert all(len(each) <= SIZE + 300 for each in files(path))


def test_older_files_above_a_lower_limit_are_deleted(path: Path) -> None:
    RotatedFile(path, SIZE, old_files=9).write(lines(200))
    numbered(path, 7).with_name("api.log.old").write_text("not a number")
    RotatedFile(path, SIZE, old_files=2).write(b"line\n")
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "api.log",
        "api.log.1",
        "api.log.2",
        "api.log.old",
    ]


def test_long_logs_of_an_earlier_version_are_renamed(path: Path) -> None:
    path.write_bytes(b"current\n" * 1000)
    numbered(path, 1).write_bytes(b"older\n" * 1000)
    RotatedFile(path, SIZE, old_files=3).write(b"new\n")
    assert files(path) == [b"older\n" * 1000, b"current\n" * 1000, b"new\n"]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_longer_than_a_file_is_kept(path: Path, end: bytes) -> None:
    log = RotatedFile(path, SIZE, old_files=99)
    text = b"first\n" + b"y" * 5000 + end
    for start in range(0, len(text), 100):
        log.write(text[start : start + 100])
    assert b"".join(files(path)) == text
    assert all(len(each) <= 2 * SIZE + 100 for each in files(path))


@pytest.mark.parametrize("rename", [True, False])
def test_a_log_that_another_program_removes_is_created_again(path: Path, *, rename: bool) -> None:
    log = RotatedFile(path, SIZE, old_files=3)
    log.write(b"one\n")
    if rename:
        path.rename(path.with_name("moved"))
    else:
        path.unlink()
    log.write(b"two\n")
    assert path.read_bytes() == b"two\n"


def test_only_its_owner_can_read_a_log(path: Path) -> None:
    RotatedFile(path, SIZE, old_files=3).write(lines(50))
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_a_process_rotates_its_own_output(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cli.stack.logs.own_output import rotating\n"
        "from pipeline.settings.sections import LoggingSettings\n"
        "settings = LoggingSettings(file_size=1024, old_files=99)\n"
        "report = rotating(print, Path(sys.argv[1]), settings)\n"
        "for number in range(300): report(f'line {number}')\n"
        "print('an error', file=sys.stderr)"
    )
    with path.open("wb") as log:
        subprocess.run([sys.executable, "-c", program, path], stdout=log, stderr=log, check=True)
    found = files(path)
    expected = [*(f"line {number}" for number in range(300)), "an error"]
    assert b"".join(found).decode().splitlines() == expected
    assert max(len(each) for each in found) < 1100
