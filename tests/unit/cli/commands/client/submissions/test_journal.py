"""The journal of a run: a second run goes on where the first one ended, on the same input only."""

import os
import re
from pathlib import Path

import pytest

from cli.commands.client.entries.entry import Entry
from cli.commands.client.submissions.journal import Journal
from cli.errors import StackError


def entry(number: int, text: str = "") -> Entry:
    return Entry(number, f"line {number}", f"{number} {text}".encode(), {})


def run(path: Path | None, entries: list[Entry], server: str = "here") -> list[int]:
    """Do all entries in batches of two; return the positions of those that were not done."""
    with Journal.open(path, "songs.jsonl", server) as journal:
        left = [each for each in entries if not journal.is_done(each.position, each.identity)]
        journal.check_replayed()
        for start in range(0, len(left), 2):
            batch = left[start : start + 2]
            journal.advance(batch, {batch[0].position + 100: batch[0].name}, 1)
        return [each.position for each in left]


def test_a_second_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    entries = [entry(number) for number in (2, 3, 5, 6, 9)]
    assert run(path, entries[:4]) == [2, 3, 5, 6]
    assert run(path, entries) == [9]
    assert run(path, entries) == []
    with Journal.open(path, "songs.jsonl", "here") as journal:
        assert journal.goes_on
        assert (journal.position, journal.last) == (9, "line 9")
        assert (journal.accepted, journal.refused) == (3, 2)
        assert journal.submissions == {102: "line 2", 105: "line 5", 109: "line 9"}
        assert journal.summary() == "done up to line 9: 3 accepted (3 submissions), 2 refused"


def test_without_a_file_nothing_is_kept() -> None:
    assert run(None, [entry(1)]) == [1]
    assert run(None, [entry(1)]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        [entry(1), entry(2, "other"), entry(3)],
        [entry(1), entry(3), entry(4)],
        [entry(2), entry(3)],
        [entry(1)],
        [],
    ],
)
def test_another_input_is_refused(tmp_path: Path, other: list[Entry]) -> None:
    path = tmp_path / "journal"
    run(path, [entry(1), entry(2)])
    kept = path.read_bytes()
    with pytest.raises(StackError, match="was written for another input"):
        run(path, other)
    assert path.read_bytes() == kept


def test_another_server_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "journal", [entry(1)])
    with pytest.raises(StackError, match="was written for the server here, not for there"):
        run(tmp_path / "journal", [entry(1)], "there")


def test_each_cut_of_the_file_loses_at_most_one_batch(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    entries = [entry(number) for number in range(1, 7)]
    run(path, entries)
    whole = path.read_bytes()
    header, *lines = whole.splitlines(keepends=True)
    for length in [*range(len(header), len(whole), 9), len(whole)]:
        path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n") - 1
        assert run(path, entries) == list(range(2 * complete + 1, 7))
        assert path.read_bytes() == whole
    assert len(lines) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"songs without a line end",
        b'{"fingerprint": "AQAA"}\n',
        b"\x1f\x8b\x08\0\xff\n\n",
        b"[]\n",
        b'{"acoustid_submit": 1, "server": "here"}\n{"position": 1}\n',
        b'{"acoustid_submit": 1, "server": "here"}\n[1]\n',
    ],
)
def test_another_file_is_refused_and_not_changed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(StackError, match="not a file that --resume has written"):
        run(path, [entry(1)])
    assert path.read_bytes() == content


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"acoustid_submit": 2}\n')
    with pytest.raises(StackError, match="newer version"):
        run(path, [entry(1)])


def test_two_runs_do_not_use_one_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with (
        Journal.open(path, "songs.jsonl", "here"),
        pytest.raises(StackError, match="another run"),
    ):
        run(path, [entry(1)])
    assert run(path, [entry(1)]) == [1]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be used: No such file or directory"):
        run(tmp_path / "none" / "journal", [entry(1)])
    with pytest.raises(StackError, match="is not a regular file"):
        run(tmp_path, [entry(1)])


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999", "-Infinity"])
def test_a_journal_with_a_number_that_is_not_finite_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "journal"
    run(path, [entry(1)])
    header, batch = path.read_text().splitlines()
    wrong_batch = re.sub('"position": 1', f'"position": {number}', batch)
    wrong_header = header.replace(": 1,", f": {number},")
    for wrong in (f"{header}\n{wrong_batch}\n", f"{wrong_header}\n"):
        assert number in wrong
        path.write_text(wrong)
        with pytest.raises(StackError, match="is damaged, or not a file that --resume has written"):
            run(path, [entry(1)])


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(StackError, match=r"not a regular file.*give another one with --resume"):
            run(path, [entry(1)])
