"""What is in the place of Valkey's directory is named."""

from pathlib import Path

import pytest

from cli.stack.processes.child_process import ProcessError
from tests.support.processes.servers import make_valkey


def test_a_dead_link_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "valkey").symlink_to("/no/such/place")
    with pytest.raises(ProcessError, match="is a link to /no/such/place, which does not exist"):
        make_valkey(tmp_path).prepare()


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "valkey").write_text("mine")
    with pytest.raises(ProcessError, match=r"is no directory: restore .*, or delete the file"):
        make_valkey(tmp_path).prepare()
    assert (tmp_path / "valkey").read_text() == "mine"
