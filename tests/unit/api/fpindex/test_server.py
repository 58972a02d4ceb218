"""How the server's process is started."""

from pathlib import Path
from typing import Any

import pytest

from api.fpindex import server
from api.fpindex.server import ServerOptions, serve
from pipeline.runtime.settings import LoggingSettings


def test_requests_under_way_have_half_a_minute_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `docs/index-server.md` says."""
    given: dict[str, Any] = {}

    class Granian:
        def __init__(self, _application: str, **options: object) -> None:
            given.update(options)

        def serve(self, **_options: object) -> None:
            """Serve nothing."""

    monkeypatch.setattr(server, "Granian", Granian)
    monkeypatch.setattr(server, "configure_logging", lambda *_, **__: None)
    serve(ServerOptions(tmp_path, "127.0.0.1", 6081, 0, "main", 0, LoggingSettings()))
    assert given["workers_kill_timeout"] == 30
