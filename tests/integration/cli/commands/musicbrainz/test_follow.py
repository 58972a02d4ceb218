"""``acoustid musicbrainz follow`` on a real database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.settings.sections import MusicbrainzSettings
from tasks.redis_state import catalogue_generation
from tests.support.fixtures import Script
from tests.support.musicbrainz.copies import Copy, a_recording, followed_copy
from tests.support.musicbrainz.packet_server import PacketServer, running_packet_server
from tests.support.musicbrainz.packets import FIRST, Change, Packet
from tests.support.processes.workers import write_config

NEXT = FIRST + 1
Run = Callable[..., Result]


@pytest.fixture
def copy(with_script: Script) -> Copy:
    return followed_copy(with_script.databases)


@pytest.fixture
def server() -> Iterator[PacketServer]:
    with running_packet_server() as server:
        yield server


@pytest.fixture
def packets(tmp_path: Path) -> Path:
    """A folder with two packets."""
    folder = tmp_path / "packets"
    folder.mkdir()
    for sequence in (NEXT, NEXT + 1):
        Packet(sequence, [Change("recording", new=a_recording(sequence))]).write(folder)
    return folder


@pytest.fixture
def run(with_script: Script, copy: Copy, tmp_path: Path) -> Run:
    """Return a function that runs the command with options of the section ``musicbrainz``."""
    del copy

    def run(*arguments: str, **options: object) -> Result:
        section = MusicbrainzSettings.model_validate(options)
        settings = with_script.settings.model_copy(update={"musicbrainz": section})
        config = write_config(settings, tmp_path / "acoustid.conf")
        environ = {CONFIG_VARIABLE: str(config)}
        return CliRunner(env=environ).invoke(main, ["musicbrainz", "follow", *arguments])

    return run


def test_packets_of_a_directory(run: Run, copy: Copy, packets: Path, with_script: Script) -> None:
    before = catalogue_generation.read(with_script.redis)
    done = run(str(packets), "--once")
    assert done.exit_code == 0, done.output
    assert (
        f"applied 2 packets with 2 rows; the last packet is {NEXT + 1}, up to 2026-11-30 12:"
        in (done.output)
    )
    assert copy.sequence == NEXT + 1
    assert catalogue_generation.read(with_script.redis) != before
    again = run(str(packets), "--once")
    assert "applied 0 packets with 0 rows" in again.output


def test_packets_of_the_configured_server(
    run: Run, copy: Copy, packets: Path, server: PacketServer
) -> None:
    server.token = "s3cr3t"
    for path in packets.iterdir():
        server.files[f"/api/{path.name}"] = path.read_bytes()
    options = {"replication_source": server.url, "replication_token": "s3cr3t"}
    done = run("--once", **options)
    assert done.exit_code == 0, done.output
    assert copy.sequence == NEXT + 1
    refused = run("--once", **{**options, "replication_token": "wr0ng"})
    assert refused.exit_code == 1
    assert "refuses the token (status 403): set [musicbrainz] replication_token" in refused.output
    assert "wr0ng" not in refused.output
    assert "s3cr3t" not in done.output


def test_a_missing_packet_ends_the_command(run: Run, packets: Path) -> None:
    (packets / f"replication-{NEXT}-v2.tar.bz2").unlink()
    for options in ([], ["--once"]):
        done = run(str(packets), *options)
        assert done.exit_code == 1
        assert f"has packet {NEXT + 1}, but not packet {NEXT}" in done.output


def test_without_a_source(run: Run) -> None:
    done = run("--once")
    assert done.exit_code == 1
    assert "give SOURCE, or set [musicbrainz] replication_source" in done.output


def test_the_command_waits_for_new_packets(
    run: Run, copy: Copy, packets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that cannot be read for a while does not end it."""
    away = packets.with_name("away")
    steps = [lambda: packets.rename(away), lambda: away.rename(packets), None]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        step = steps.pop(0)
        if step is None:
            raise KeyboardInterrupt
        step()
        Packet(NEXT + 2).write(packets if packets.exists() else away)

    monkeypatch.setattr("cli.commands.musicbrainz.follow.sleep", sleep)
    done = run(str(packets), replication_interval=60)
    assert waits == [60.0] * 3
    assert "cannot be read: No such file" in done.output
    assert copy.sequence == NEXT + 2
