"""Reading logs: last lines, rotation, times."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.stack.logs.log_reader import LogReader, time_of
from cli.stack.logs.rotated_file import RotatedFile

WRITTEN = datetime(2026, 11, 30, 5, 6, tzinfo=UTC)


def texts(reader: LogReader, number: int) -> list[str]:
    return [line.text for _, line in reader.last_lines(number)]


def new(reader: LogReader) -> list[str]:
    return [line.text for line in reader.new_lines()]


@pytest.mark.parametrize("number", [0, 1, 3, 15_000, 25_000])
def test_the_last_lines_may_be_in_older_files(tmp_path: Path, number: int) -> None:
    (tmp_path / "api.log.1").write_text("".join(f"old {each}\n" for each in range(10_000)))
    (tmp_path / "api.log").write_text("".join(f"new {each}\n" for each in range(10_000)))
    written = [f"{age} {each}" for age in ("old", "new") for each in range(10_000)]
    assert texts(LogReader(tmp_path / "api.log"), number) == (written[-number:] if number else [])


def test_no_line_is_lost_or_repeated_by_a_rotation(tmp_path: Path) -> None:
    """Also a line that is written in two parts."""
    path = tmp_path / "api.log"
    reader = LogReader(path)
    assert texts(reader, 5) == []
    assert new(reader) == []
    log = RotatedFile(path, 64, 3)
    found = []
    for number in range(100):
        log.write(f"line {number}".encode())
        found += new(reader)
        log.write(b" end\n")
        found += new(reader)
    assert found == [f"line {number} end" for number in range(100)]
    reader.close()
    log.close()


def test_new_lines_follow_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("one\ntwo\n")
    reader = LogReader(path)
    assert texts(reader, 1) == ["two"]
    assert new(reader) == []
    path.write_text("3\n")  # a shorter file in its place
    assert new(reader) == ["3"]
    reader.close()


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_bytes(b"\x1b[31mred\xff\r\n")
    [text] = texts(LogReader(path), 1)
    assert text == "?[31mred\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"2026-11-30 05:05:09.426 UTC [10433]  LOG:  x", datetime(2026, 11, 30, 5, 5, 9, 426000)),
        (b"2026-11-30 05:04:50,426 [1] [INFO] x", datetime(2026, 11, 30, 5, 4, 50, 426000)),
        (b"10450:M 30 Nov 2026 05:05:09.459 * x", datetime(2026, 11, 30, 5, 5, 9, 459000)),
        (
            b'{"time":"2026-11-30T05:05:09.459+00:00","a":1}',
            datetime(2026, 11, 30, 5, 5, 9, 459000),
        ),
        (b"05:05:06 stopping", datetime(2026, 11, 30, 5, 5, 6)),
        (b"23:59:00 stopping", datetime(2026, 11, 29, 23, 59)),
        (b"99:99:99 stopping", None),
        (b"worker: Warm shutdown", None),
    ],
)
def test_times(line: bytes, expected: datetime | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    found = time_of(line, WRITTEN)
    assert found == (expected and expected.replace(tzinfo=found.tzinfo if found else None))
