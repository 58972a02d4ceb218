"""Tests of ``acoustid submit`` with audio files and a program in place of fpcalc."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.audio_tags import read_tags
from cli.commands.client.submit import submit
from cli.exit_status import ExitStatus
from pipeline.fingerprint.codec import encode
from tests.support.audio_files import (
    answer_seconds,
    answer_with,
    write_flac,
    write_fpcalc,
    write_m4a,
    write_mp3,
    write_wma,
)
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.served_application import served
from tests.support.clients.web_client import MBID, Web

Run = Callable[..., Result]
OTHER_MBID = "5d1f0c5e-1111-4aaa-8aaa-000000000002"


@pytest.fixture
def run(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs the command in an empty folder `music`."""
    monkeypatch.setenv("PATH", str(write_fpcalc(tmp_path).parent), prepend=":")
    folder = tmp_path / "music"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> Result:
        with structlog.testing.capture_logs():  # the service logs to the command's output
            return CliRunner().invoke(submit, [*common, "--no-wait", *arguments])

    with served(web.app) as server:
        common = ["--server", server, "--client", web.application, "--user", web.user]
        yield run


def tag(file: Path, **values: str) -> Path:
    """Write tags; the keywords are names in `tag_names`."""
    tags = read_tags(file)
    for name, value in values.items():
        tags.set(getattr(tag_names, name), value)
    tags.save(file)
    return file


def stored(web: Web) -> list[Mapping[str, Any]]:
    names = ("length", "bitrate", "format", "mbid", "meta")
    return [{name: row[name] for name in names if row[name] is not None} for row in web.receipts()]


def test_files_are_submitted_with_the_metadata_in_their_tags(web: Web, run: Run) -> None:
    tag(
        write_mp3(Path("1.mp3")),
        TITLE="Glass Weather",
        ARTIST="Aurora Lane",
        ALBUM="Slow Storm",
        ALBUM_ARTIST="Various",
        TRACK="3/12",
        DISC="1",
        DATE="2024-03-15",
    )
    tag(write_flac(Path("2.flac")), RECORDING=MBID, TITLE="x", TRACK="A1", DATE="unknown")
    answer_seconds(Path("2.flac"), 241.6)
    result = run(".")
    assert result.exit_code == ExitStatus.OK, result.output
    assert result.stdout == "2 submissions received, of 2 files\n"
    meta = {
        "track": "Glass Weather",
        "artist": "Aurora Lane",
        "album": "Slow Storm",
        "album_artist": "Various",
        "track_no": 3,
        "disc_no": 1,
        "year": 2024,
    }
    linked = {"length": 242, "format": "FLAC", "mbid": MBID, "meta": {"track": "x"}}
    first, second = stored(web)
    assert first == {"length": 10, "bitrate": 128, "format": "MP3", "meta": meta}
    assert {**second, "mbid": str(second["mbid"])} == linked


def test_files_without_usable_metadata_and_bad_files_are_named(web: Web, run: Run) -> None:
    tag(write_mp3(Path("a.mp3")), TITLE="x")
    tag(write_m4a(Path("b.m4a")), RECORDING="no MBID", ARTIST="x")
    write_wma(Path("c.wma"))
    answer_with(tag(write_flac(Path("d.flac")), TITLE="x"), "echo 'ERROR: No' >&2; exit 2")
    Path("e.ogg").write_text("no audio")
    Path("../empty").mkdir()
    result = run(".", "none.mp3", "../empty")
    assert result.exit_code == ExitStatus.PARTIAL
    assert result.stdout == "1 submission received, of 7 files\n"
    nothing = "its tags have neither an MBID nor a title"
    reasons = [each.split(" was refused: ") for each in result.stderr.splitlines()]
    assert reasons[:3] == [
        ["b.m4a", nothing],
        ["c.wma", nothing],
        ["d.flac", "fpcalc cannot read it: No"],
    ]
    assert [name for name, _ in reasons[3:]] == ["e.ogg", "none.mp3", "../empty"]
    assert [row["length"] for row in web.receipts()] == [10]
    assert run("c.wma").exit_code == ExitStatus.FAILED


def test_a_resumed_run_reads_only_the_files_that_are_not_done(
    web: Web, run: Run, tmp_path: Path
) -> None:
    journal = str(tmp_path / "journal")
    for number in range(3):
        tag(write_mp3(Path(f"{number}.mp3")), TITLE=f"song {number}")
    assert run(".", "--resume", journal).exit_code == ExitStatus.OK
    for number in range(3):
        answer_with(Path(f"{number}.mp3"), "exit 2")  # would be refused
    tag(write_mp3(Path("3.mp3")), TITLE="song 3")
    result = run(".", "--resume", journal)
    assert result.exit_code == ExitStatus.OK, result.stderr
    assert [row["meta"]["track"] for row in web.receipts()] == [f"song {each}" for each in range(4)]


def test_options_replace_the_tags_of_a_single_file(web: Web, run: Run) -> None:
    tag(write_mp3(Path("a.mp3")), TITLE="old", ARTIST="stays", RECORDING=MBID)
    assert run("a.mp3", "--mbid", OTHER_MBID, "--track", "new").exit_code == ExitStatus.OK
    [row] = stored(web)
    assert str(row["mbid"]) == OTHER_MBID
    assert row["meta"] == {"track": "new", "artist": "stays"}
    Path("b.au").write_text("has no tags")
    assert run("b.au", "--track", "new").exit_code == ExitStatus.OK
    assert run(".", "--track", "new").exit_code == ExitStatus.USAGE
    assert run("a.mp3", "a.mp3", "--track", "new").exit_code == ExitStatus.USAGE


def test_whole_files_are_submitted(web: Web, run: Run) -> None:
    """Fpcalc is called without a limit of the length."""
    whole = encode(fingerprint(1, words=29_000))
    song = tag(write_mp3(Path("1.mp3")), TITLE="x")
    short = encode(fingerprint(1))
    answer_with(
        song,
        f'[ "$3" = 0 ] && text={whole} || text={short}\n'
        'echo "{\\"duration\\": 3600, \\"fingerprint\\": \\"$text\\"}"; exit 3\n',
    )
    assert run(".", "--full").exit_code == ExitStatus.OK
    assert run(".").exit_code == ExitStatus.OK
    sizes = [len(row["words"]) // 4 for row in web.receipts()]
    assert sizes == [29_000, 948]
