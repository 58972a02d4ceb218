"""Fixtures of the tests of errors: files of all kinds, and a function that runs a command."""

import gzip
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main

RunMain = Callable[[Sequence[str]], Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each kind. The working directory is an empty one in it.

    No program such as wrk or fpcalc is found.
    """
    binary = random.Random(1).randbytes(3000)
    files = {
        "file": b"",
        "empty": b"",
        "empty.gz": b"",
        "binary": binary,
        "binary.gz": binary,
        "cut.gz": gzip.compress(binary)[:-100],
        "surrogate.jsonl": b'{"fingerprint": "\\udcff", "duration": 60}\n',
        "numbers.jsonl": b'{"fingerprint": 1e400, "duration": NaN}\n[]\n"\xff"\n',
        "nested.json": b"[" * 100_000,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in ("directory", "working"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "working")
    monkeypatch.setenv("PATH", str(tmp_path / "directory"))
    # The stacks of other tests are of no interest, and finding them takes time.
    monkeypatch.setattr("cli.stack.running.running_stacks.find_running_stacks", list)
    return tmp_path


@pytest.fixture
def run() -> RunMain:
    """Return a function that runs `acoustid` with arguments in this process.

    It asserts that the command ends with a status of the table, and without a traceback. If it
    fails, standard error has a text, and that is not the one of a defect.
    """

    def run_main(arguments: Sequence[str]) -> Result:
        result = CliRunner().invoke(main, arguments)
        shown = (
            f"acoustid {' '.join(arguments)[:300]!r}: {result.exception!r}\n{result.output[-600:]}"
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), shown
        assert result.exit_code in {0, 1, 2, 3, 4}, shown
        assert "Traceback" not in result.output, shown
        assert "this is a defect" not in result.output, shown
        if result.exit_code in {1, 2}:
            assert "Error: " in result.stderr, shown
            assert len(result.stderr.partition("Error: ")[2].strip()) > 10, shown
        assert os.getcwd()  # noqa: PTH109 - the command has not deleted it
        return result

    return run_main
