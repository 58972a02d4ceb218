"""``acoustid up`` refuses ports before it starts anything."""

from pathlib import Path

from click.testing import CliRunner

from cli.commands.service.up import up
from cli.stack.servers.ports import free_port


def test_the_api_and_flower_cannot_have_the_same_port(tmp_path: Path) -> None:
    port = str(free_port())
    options = ["--data-dir", str(tmp_path), "--port", port, "--flower-port", port]
    answer = CliRunner().invoke(up, options)
    assert answer.exit_code == 1
    assert f"cannot both use port {port}: choose another with --port" in answer.output
