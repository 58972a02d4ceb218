"""Tests of ``acoustid lookup`` and ``identify`` for excerpts and with a second chance."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from click.testing import CliRunner, Result

from cli.commands.client.identify import identify
from cli.commands.client.lookup import lookup
from cli.commands.client.submit import submit
from cli.exit_status import ExitStatus
from pipeline.messages import Lookup
from tests.support.audio_files import answer_with, write_fpcalc, write_mp3, write_wav
from tests.support.clients.lookup_worker import Answer
from tests.support.clients.served_application import served
from tests.support.clients.web_client import GID, WORD, Web

Run = Callable[..., Result]

PART = {"offset": 41.2, "duration": 10.03, "matched": 0.962}
TOO_SHORT = "it has 5 distinct words; it needs 12: about 4.5 s of music"


def found(lookup: Lookup) -> Answer:
    """Refuse an excerpt of 3 s; return a place for other ones."""
    if lookup.duration == 3:
        return {"error": TOO_SHORT}
    return {"results": [{"id": GID, "score": 0.92, "match": PART}]}


@pytest.fixture
def web(make_web) -> Web:
    """An application with a sketch index, whose workers find a part of a recording."""
    web = make_web(fingerprint_index={"sketch_rate": 4}, features={"demo_key": True})
    web.excerpt_worker.answer = web.worker.answer = found
    return web


@pytest.fixture
def run(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs a command in an empty folder `music`."""
    monkeypatch.setenv("PATH", str(write_fpcalc(tmp_path).parent), prepend=":")
    monkeypatch.chdir((tmp_path / "music").mkdir() or tmp_path / "music")

    def run(command: click.Command, *arguments: str, **options: Any) -> Result:
        with structlog.testing.capture_logs():  # the service logs to the command's output
            return CliRunner().invoke(command, [*arguments, *common], **options)

    with served(web.app) as server:
        common = ["--server", server, "--client", web.application, "--data-dir", str(tmp_path)]
        yield run


def test_one_excerpt_needs_no_duration(web: Web, run: Run) -> None:
    result = run(lookup, WORD, "--excerpt")
    assert (result.exit_code, result.stdout) == (0, f"0.92  track {GID}  at 0:41.20\n")
    assert [each.duration for each in web.excerpt_worker.batches[0].lookups] == [0]
    assert json.loads(run(lookup, WORD, "--excerpt", "--json").stdout)["results"][0][
        "match"
    ] == dict(sorted(PART.items()))


def test_the_lines_of_excerpts(run: Run) -> None:
    lines = [{"fingerprint": WORD, "id": "a"}, {"fingerprint": WORD, "id": "b", "duration": 3}]
    text = "\n".join(map(json.dumps, lines))
    result = run(lookup, "-", "--excerpt", input=text)
    assert result.exit_code == ExitStatus.PARTIAL
    assert result.stdout.splitlines() == [f"a\t0.92  track {GID}  at 0:41.20", "b\trefused"]
    assert TOO_SHORT in result.stderr


def test_a_second_chance_is_asked_for(web: Web, run: Run) -> None:
    result = run(lookup, WORD, "--duration", "200", "--second-chance")
    assert "at 0:41.20" in result.stdout
    assert [each.second_chance for each in web.worker.batches[0].lookups] == [True]
    assert not web.excerpt_worker.batches


def test_files_with_excerpts(web: Web, run: Run) -> None:
    write_mp3(Path("a.mp3"))
    answer_with(write_wav(Path("b.wav")), "echo 'ERROR: Empty fingerprint' >&2; exit 2")
    result = run(identify, ".", "--excerpt")
    assert result.exit_code == ExitStatus.PARTIAL
    assert result.stdout.splitlines() == ["a.mp3:", f"0.92  track {GID}  at 0:41.20"]
    assert result.stderr == "b.wav: too short for an excerpt: about 5 s of music are needed\n"
    [line] = run(identify, "a.mp3", "--excerpt", "--json").stdout.splitlines()
    assert json.loads(line)["best"]["match"] == json.loads(line)["results"][0]["match"] == PART
    [_, row] = csv.reader(io.StringIO(run(identify, "a.mp3", "--second-chance", "--csv").stdout))
    assert row == ["a.mp3", "10", "0.92", GID, *5 * [""], "41.2", "10.03", "0.962"]
    assert [each.second_chance for each in web.worker.batches[-1].lookups] == [True]


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        (lookup, ["no file", "--excerpt"], "is neither a file nor a fingerprint"),
        (lookup, [WORD], "give --duration"),
        (lookup, [WORD, "--excerpt", "--second-chance"], "not both"),
        (identify, ["a.mp3", "--excerpt", "--write-tags", "--yes"], "leave out --excerpt"),
        (submit, [WORD, "--duration", "9", "--full"], "--full is for audio files"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    run: Run, command: click.Command, arguments: list[str], reason: str
) -> None:
    result = run(command, *arguments)
    assert result.exit_code != 0
    assert reason in " ".join(result.stderr.split())
