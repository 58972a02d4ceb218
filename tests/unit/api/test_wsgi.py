"""The application is created at the first access, once per process, and closed at exit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api import wsgi


def run(code: str, tmp_path: Path, config: str = "") -> subprocess.CompletedProcess[str]:
    path = tmp_path / "acoustid.conf"
    path.write_text(config)
    environ = {**os.environ, "ACOUSTID_CONFIG": str(path), "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )


def test_nothing_happens_at_import(tmp_path: Path) -> None:
    done = run("import api.wsgi; print('imported')", tmp_path, config="[nonsense]\n")
    assert done.stdout == "imported\n", done.stderr


def test_an_invalid_configuration_is_an_error(tmp_path: Path) -> None:
    done = run("import api.wsgi; api.wsgi.application", tmp_path, config="[nonsense]\n")
    assert done.returncode == 1
    assert "unknown section [nonsense]" in done.stderr


def test_factory_and_name_return_one_application(tmp_path: Path) -> None:
    code = "from api import wsgi; print(wsgi.application is wsgi.create_application())"
    done = run(code, tmp_path)
    assert done.stdout.endswith("\nTrue\n"), done.stderr


def test_the_front_end_is_closed_at_exit(tmp_path: Path) -> None:
    code = """
from api import front_end, wsgi
front_end.FrontEnd.close = lambda self: print("closed", flush=True)
wsgi.create_application()
"""
    done = run(code, tmp_path)
    assert done.stdout.endswith("\nclosed\n"), done.stderr


def test_the_first_messages_import_no_module_of_the_project(tmp_path: Path) -> None:
    """Their files may be those of newer code, which the loaded modules do not fit."""
    code = """
import sys
from contextlib import suppress
from kombu.exceptions import OperationalError
from api.wsgi import open_front_end
from pipeline.messages import LookupBatch
from tasks import dispatch

open_front_end()
before = set(sys.modules)
for send, message in (
    (dispatch.send_lookups, LookupBatch("id", "reply", 1.0, [], [])),
    (dispatch.send_excerpts, LookupBatch("id", "reply", 1.0, [], [])),
    (dispatch.send_submissions, [1]),
):
    with suppress(OperationalError):
        send(message)
own = {"api", "celeryconfig", "http_server", "pipeline", "tasks"}
print([name for name in set(sys.modules) - before if name.partition(".")[0] in own])
"""
    done = run(code, tmp_path, "[redis]\nport = 1\n")
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_module_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="app"):
        wsgi.app  # noqa: B018 - the access is the test
