"""Imports have no side effects."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.runtime

MODULES = sorted(
    f"pipeline.{folder}.{path.stem}"
    for folder in ("runtime", "settings")
    for path in Path(pipeline.runtime.__file__).parents[1].joinpath(folder).glob("*.py")
    if path.stem != "__init__"
)

PROGRAM = """
import importlib, json, sys
effects = []
def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen"}:
        effects.append(event)
    # urllib3, a dependency of Sentry, checks whether this machine has IPv6.
    if event == "socket.bind" and arguments[1] != ("::1", 0):
        effects.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        effects.append(f"write {arguments[0]}")
    if event == "open" and str(arguments[0]).endswith((".conf", "secret")):
        effects.append(f"open {arguments[0]}")
sys.addaudithook(watch)
sys.dont_write_bytecode = True
for module in sys.argv[1:]:
    importlib.import_module(module)
import logging, threading
print(json.dumps([effects, len(logging.root.handlers), threading.active_count()]))
"""


def test_the_modules_are_found() -> None:
    assert "pipeline.settings.load" in MODULES
    assert len(MODULES) > 10


def test_imports_of_runtime_and_settings_have_no_side_effects(tmp_path: Path) -> None:
    """No file of settings is read; no socket, process, log handler or thread is opened."""
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
        ("pipeline.runtime.statsd_metrics", {"sqlalchemy", "redis", "celery", "falcon"}),
        ("pipeline.runtime.sentry", {"celery", "falcon"}),
    ],
)
def test_a_module_does_not_import_the_libraries_of_servers(module: str, heavy: set[str]) -> None:
    """Without these libraries commands start fast."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stdout.split())
