"""Importing the room does nothing but import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.runtime

MODULES = sorted(
    f"pipeline.{room}.{path.stem}"
    for room in ("runtime", "settings")
    for path in Path(pipeline.runtime.__file__).parents[1].joinpath(room).glob("*.py")
    if path.stem != "__init__"
)

PROGRAM = """
import importlib, json, sys
doings = []
def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen"}:
        doings.append(event)
    # urllib3, which Sentry brings, tries whether this machine has IPv6.
    if event == "socket.bind" and arguments[1] != ("::1", 0):
        doings.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        doings.append(f"write {arguments[0]}")
    if event == "open" and str(arguments[0]).endswith((".conf", "secret")):
        doings.append(f"open {arguments[0]}")
sys.addaudithook(watch)
sys.dont_write_bytecode = True
for module in sys.argv[1:]:
    importlib.import_module(module)
import logging, threading
print(json.dumps([doings, len(logging.root.handlers), threading.active_count()]))
"""


def test_there_is_something_to_import() -> None:
    """The modules are found by their files."""
    assert "pipeline.settings.load" in MODULES
    assert len(MODULES) > 10


def test_importing_the_room_reads_no_settings_and_opens_no_connection(tmp_path: Path) -> None:
    """No configuration, socket, process, log handler or thread comes of importing everything."""
    (tmp_path / "acoustid.conf").write_text("[nonsense]\n")
    root = Path(pipeline.runtime.__file__).parents[2]
    environ = {"PYTHONPATH": str(root), "ACOUSTID_CONFIG": "/nowhere", "ACOUSTID_NONSENSE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *MODULES],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[], 0, 1]
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("pipeline.settings.load", {"sqlalchemy", "redis", "celery", "falcon", "sentry_sdk"}),
        ("pipeline.runtime.logs", {"sqlalchemy", "redis", "celery", "falcon", "sentry_sdk"}),
        ("pipeline.runtime.metrics", {"sqlalchemy", "redis", "celery", "falcon"}),
        ("pipeline.runtime.sentry", {"celery", "falcon"}),
    ],
)
def test_small_programs_stay_small(module: str, heavy: set[str]) -> None:
    """The command line can read the settings without loading what servers need."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stdout.split())
