"""``acoustid config show``: each setting and its origin."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.stack.setting_origins import option_lines

SECRET = "hush-hush"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory, and a variable of the environment."""
    (tmp_path / "acoustid.conf").write_text(
        f"# a comment\n\n[redis]\nhost: redis.example\nPassword = {SECRET}\n"
        "; host = other\n[api]\none_core=true\n"
    )
    monkeypatch.setenv("ACOUSTID_FLOWER_PASSWORD", SECRET)
    return tmp_path


def show(data: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["config", "show", "--data-dir", str(data), *options])


def test_each_setting_has_its_origin_and_no_secret_is_shown(data: Path) -> None:
    result = show(data)
    assert result.exit_code == 0
    lines = [line.partition("  # ") for line in result.stdout.splitlines()]
    found = {setting.strip(): origin for setting, _, origin in lines}
    path = data / "acoustid.conf"
    assert found["host = redis.example"] == f"{path}:4"
    assert found["one_core = true"] == f"{path}:8"
    assert found["port = 6379"] == "default"
    assert "ACOUSTID_FLOWER_PASSWORD" in found["password = ***"] or f"{path}:5" in result.stdout
    assert SECRET not in result.output


def test_changed_settings_as_json(data: Path) -> None:
    rows = json.loads(show(data, "--json", "--changed").stdout)
    path = str(data / "acoustid.conf")
    assert {(row["section"], row["option"]): row for row in rows} == {
        (row["section"], row["option"]): row
        for row in (
            row_of("redis", "host", "redis.example", "stack", path, 4),
            row_of("redis", "password", "***", "stack", path, 5),
            row_of("api", "one_core", value=True, kind="stack", origin=path, line=8),
            row_of("flower", "password", "***", "environment", "ACOUSTID_FLOWER_PASSWORD", None),
        )
    }
    assert SECRET not in str(rows)


def row_of(
    section: str, option: str, value: object, kind: str, origin: str, line: int | None
) -> dict[str, object]:
    return {
        "section": section,
        "option": option,
        "value": value,
        "kind": kind,
        "origin": origin,
        "line": line,
    }


def test_a_file_of_the_user_is_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acoustid.conf").write_text("[redis]\nhost = a\n")
    answer = CliRunner().invoke(main, ["config", "show", "--changed"])
    assert answer.stdout.split() == ["[redis]", "host", "=", "a", "#", "acoustid.conf:2"]


def test_lines_of_options(tmp_path: Path) -> None:
    path = tmp_path / "some.conf"
    path.write_text("[a]\nx=1\n\n# y = 2\n[b.c]\n  X : 3\n")
    assert option_lines(path) == {("a", "x"): 2, ("b.c", "x"): 6}
