"""The options of ``acoustid index serve``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.admin.index_serve import serve
from index_server.server import IndexServerOptions


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[IndexServerOptions]:
    """The options of each server that the command would run."""
    started: list[IndexServerOptions] = []
    monkeypatch.setattr("cli.commands.admin.index_serve.serve_indexes", started.append)
    return started


def run(tmp_path: Path, *options: str) -> str:
    result = CliRunner().invoke(serve, ["--dir", str(tmp_path / "data"), "--port", "0", *options])
    assert result.exit_code == 0, result.output
    return result.stderr


@pytest.mark.parametrize("given", [[], ["--max-postings", "10000"], ["--max-postings=10000"]])
def test_searches_have_no_limit_unless_one_is_given(
    tmp_path: Path, started: list[IndexServerOptions], given: list[str]
) -> None:
    assert run(tmp_path, *given) == ""
    [options] = started
    assert options.max_postings == (10_000 if given else None)


def test_the_level_of_the_log_may_be_in_lower_case(
    tmp_path: Path, started: list[IndexServerOptions]
) -> None:
    run(tmp_path, "--log-level", "debug")
    assert started[0].logging.level == "DEBUG"


@pytest.mark.parametrize("last", ["--checkpoint-age-ms", "--checkpoint-of-a-later-version"])
def test_the_last_option_may_lack_its_value(
    tmp_path: Path, started: list[IndexServerOptions], last: str
) -> None:
    assert run(tmp_path, "--load-concurrency", "3", last) == ""
    assert started[0].load_concurrency == 3


def test_a_limit_of_0_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(serve, ["--dir", str(tmp_path), "--max-postings", "0"])
    assert result.exit_code == 2
    assert "--max-postings" in result.stderr


@pytest.mark.parametrize(
    "given",
    [
        ["--checkpoint-threshold", "100000", "--checkpoint-age-ms", "60000"],
        ["--checkpoint-threshold=100000", "--checkpoint-age-ms=60000"],
        ["--checkpoint-of-a-later-version", "5", "--checkpoint-other=7"],
        ["--checkpoint-threshold"],
    ],
)
def test_options_of_checkpoints_are_accepted_without_a_warning(
    tmp_path: Path, started: list[IndexServerOptions], given: list[str]
) -> None:
    assert run(tmp_path, *given, "--load-concurrency", "3") == ""
    assert run(tmp_path, *given, "--peers", "a") == (
        "warning: --peers is not supported and ignored\n"
    )
    assert started[0].load_concurrency == 3


def test_other_unknown_options_are_ignored_with_a_warning(
    tmp_path: Path, started: list[IndexServerOptions]
) -> None:
    warned = run(tmp_path, "--checkpoints", "1", "--coordinator-url=http://a")
    assert warned == (
        "warning: --checkpoints is not supported and ignored\n"
        "warning: --coordinator-url is not supported and ignored\n"
    )
    assert len(started) == 1
