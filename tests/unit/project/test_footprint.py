"""Each role imports the libraries that it uses, and not those of other roles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

MATHS = {"numba", "llvmlite"}
ELSEWHERE = {"alembic", "sentry_sdk"}
"""Used by `acoustid migrate`, and with a DSN of Sentry."""

LOAD_TASKS = "from tasks.{module} import app; app.loader.import_default_modules(); app.finalize()"

ROLES: dict[str, tuple[str, set[str]]] = {
    "supervisor": (
        "import cli.commands.service.up",
        {*MATHS, *ELSEWHERE, "numpy", "sqlalchemy", "celery", "falcon"},
    ),
    "status": (
        "import cli.commands.service.status",
        {*MATHS, *ELSEWHERE, "numpy", "celery", "falcon", "urllib3", "tornado"},
    ),
    "front end": (
        "import api.server, api.wsgi",
        {*MATHS, *ELSEWHERE, "urllib3", "tornado", "prometheus_client"},
    ),
    "beat": (
        f"import celery.apps.beat, redbeat; {LOAD_TASKS.format(module='application')}",
        {*MATHS, *ELSEWHERE, "numpy", "sqlalchemy", "falcon", "flower", "prometheus_client"},
    ),
    "Flower": (
        f"import flower.command; {LOAD_TASKS.format(module='application')}",
        {*MATHS, *ELSEWHERE, "numpy", "sqlalchemy", "falcon"},
    ),
    "worker": (
        f"import celery.apps.worker; {LOAD_TASKS.format(module='celery')}",
        {*ELSEWHERE, "falcon", "flower", "urllib3", "prometheus_client"},
    ),
}
"""The statements that import what a role imports, and the libraries that it must not import.

These are the imports of a process that is started as a program. On Linux the supervisor of
`acoustid up` forks all of them, so they have its modules too.
"""

PROGRAM = """
import json, os, sys
for role, statements in json.loads(sys.argv[1]).items():
    if os.fork() == 0:
        exec(statements)
        print(json.dumps([role, sorted({name.partition(".")[0] for name in sys.modules})]))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
"""A fork has the modules of a fresh interpreter, and starts faster than one."""


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """The top-level modules of each role."""
    statements = json.dumps({role: text for role, (text, _) in ROLES.items()})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, statements],
        capture_output=True,
        check=True,
        text=True,
        cwd=ROOT,
    )
    return {role: set(names) for role, names in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_imports_no_library_of_other_roles(role: str, imported: dict[str, set[str]]) -> None:
    assert not imported[role] & ROLES[role][1]


def test_workers_import_the_loops_before_the_first_task(imported: dict[str, set[str]]) -> None:
    assert imported["worker"] >= MATHS
