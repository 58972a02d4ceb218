"""Client commands warn of answers that a limit of the server may have made partial."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.support.clients.scripted_server import Scripted, scripted_server

RESULTS = [{"id": "0a1b2c3d-0000-4000-8000-000000000001", "score": 1.0}]
LOOKUP = ["lookup", "--client", "x", "--server"]
WARNING = "may lack results: the server limits its searches"


def look_up(body: dict[str, Any], *arguments: str) -> Any:
    def reply(_path: str, _form: object) -> Scripted:
        return Scripted(body={"status": "ok", **body})

    with scripted_server(reply) as server:
        result = CliRunner().invoke(main, [*LOOKUP, server.address, *arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("results", [RESULTS, []])
def test_a_single_lookup(results: list[dict[str, Any]]) -> None:
    single = ("AQAA", "--duration", "10", "--meta", "usermeta")
    complete = look_up({"results": results}, *single)
    partial = look_up({"results": results, "partial": True}, *single)
    assert complete.stderr == ""
    assert partial.stderr == f"warning: 1 answer {WARNING}\n"
    assert partial.stdout == complete.stdout
    assert '"partial": true' in look_up({"results": [], "partial": True}, *single, "--json").stdout


def test_a_file_of_lookups(tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"fingerprint": "AQAA", "duration": 10}\n' * 3)
    answers: list[dict[str, Any]] = [
        {"index": str(number), "results": RESULTS} for number in (1, 2, 3)
    ]
    arguments = (str(lines), "--meta", "usermeta")
    assert WARNING not in look_up({"fingerprints": answers}, *arguments).stderr
    for each in answers[1:]:
        each["partial"] = True
    assert (
        f"warning: 2 answers {WARNING}\n" in look_up({"fingerprints": answers}, *arguments).stderr
    )
