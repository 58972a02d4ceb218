"""Paths of data directories: those that work, and those that are refused."""

import os
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import UserConfig, write_effective
from cli.stack.stack_record import StackRecord
from pipeline.settings.load import load_settings

RECORD = StackRecord().with_ports(postgres=1, valkey=2)

ODD_NAMES = [
    "a b",
    " x ",
    "Müsik ♫",
    "music [y]*?{a,b}",
    "q\"u'o\\t`$HOME",
    "%d %(x)s %%",
    "#x ; y = z",
    "~",
    "a\tb\x0b\u2028",
    "x" * 200,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_configuration_contains_an_odd_path(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataDir.at(tmp_path / name)
    data.create()
    write_effective(data, UserConfig.read({}), RECORD)
    settings = load_settings(data.config, {})
    assert settings.fingerprint_index.path == tmp_path / name / "index"
    assert settings.fingerprint_store.path == tmp_path / name / "fingerprints"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (os.fsdecode(b"m\xfcsic"), r"m\\xfcsic is not UTF-8 text"),
        ("new\nline", r"new\\nline contains a line break"),
        ("carriage\rreturn", r"carriage\\rreturn contains a line break"),
        ("/".join(["x" * 200] * 5), "needs a path of at most 800"),
    ],
)
def test_a_path_that_no_file_can_contain_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(StackError, match=reason) as caught:
        DataDir.at(tmp_path / name)
    assert caught.value.message.encode()
    assert "--data-dir" in caught.value.message


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StackError, match="loop"):
        DataDir.at(tmp_path / "loop" / "data").create()


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataDir.at(Path("a/../b")).root == tmp_path / "b"
