"""Where PostgreSQL's files lie: always where its user can enter, whoever runs this.

For root that user is another one; for anybody else it is oneself, and everything is reachable. The
same must hold for both.
"""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.servers import place
from cli.stack.servers.account import AccountError, server_account
from cli.stack.servers.binaries import find_postgres
from cli.stack.servers.place import Place, PlaceError


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of mode 0700 that only its owner can enter, as a home may be."""
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder).resolve()
        home = closed.with_name(f"{closed.name}-lib")
        monkeypatch.setattr(place, "SYSTEM_HOME", home)
        (closed / "data").mkdir(mode=0o700)
        yield closed
        place.forget(closed / "data")
        if home.exists():
            home.rmdir()


def can_enter(chosen: Place) -> bool:
    return chosen.account is None or chosen.account.may("x", chosen.base)


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.parents)]


def test_the_servers_user_can_enter(closed: Path) -> None:
    before = modes(closed / "data")
    chosen = place.choose(closed / "data", "token")
    assert can_enter(chosen)
    assert modes(closed / "data") == before


def test_the_place_stays_the_same(closed: Path) -> None:
    first = place.choose(closed / "data", "token")
    assert place.choose(closed / "data", "token") == first


def test_a_strict_umask_shuts_nobody_out(closed: Path) -> None:
    before = os.umask(0o077)
    try:
        assert can_enter(place.choose(closed / "data", "token"))
    finally:
        os.umask(before)


def test_a_place_that_is_gone_is_an_error_and_not_a_new_one(closed: Path) -> None:
    (closed / "data" / place.REMEMBERED).write_text("/no/such/place\n")
    with pytest.raises(PlaceError, match="/no/such/place"):
        place.choose(closed / "data", "token")


def test_a_directory_that_somebody_else_could_swap_is_not_used(closed: Path) -> None:
    (closed / "link").symlink_to(closed / "data")
    (closed / "open").mkdir()
    (closed / "open").chmod(0o777)
    for home in ("link", "open"):
        with pytest.raises(PlaceError, match="own directory"):
            place._make_own(closed / home)


def test_a_folder_of_the_server_is_its_own(closed: Path) -> None:
    chosen = place.choose(closed / "data", "token")
    chosen.make_folder(chosen.data)
    account = chosen.account
    assert chosen.data.stat().st_uid == (account.uid if account else os.geteuid())
    assert stat.S_IMODE(chosen.data.stat().st_mode) == 0o700


def test_whoever_owns_the_data_runs_the_server(closed: Path) -> None:
    chosen = place.choose(closed / "data", "token")
    chosen.make_folder(chosen.data)
    assert server_account(chosen.data) == chosen.account


def test_programs_can_be_run_by_the_servers_user(closed: Path) -> None:
    installed = closed / "site" / "pginstall"
    for folder in ("bin", "lib", "share"):
        (installed / folder).mkdir(parents=True)
    (installed / "bin" / "postgres").write_text("#!/bin/sh\necho postgres\n")
    (installed / "bin" / "postgres").chmod(0o700)
    chosen = place.choose(closed / "data", "token")
    programs = place.reachable_programs(installed / "bin", chosen)
    account = chosen.account
    answer = subprocess.run(
        [programs / "postgres"],
        check=True,
        cwd="/",
        capture_output=True,
        text=True,
        **(account.as_popen() if account else {}),
    )
    assert answer.stdout == "postgres\n"
    assert place.reachable_programs(installed / "bin", chosen) == programs


def test_a_user_without_a_name_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 7)
    with pytest.raises(AccountError, match="no entry in the password file"):
        server_account(Path("/no/such/data"))


def test_the_wheels_programs_are_found_where_they_can_be_read() -> None:
    assert (find_postgres() / "initdb").is_file()
