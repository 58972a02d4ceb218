"""The name of a logger is that of its module, so that operators find the option of its level."""

import re
from pathlib import Path
from typing import Final

from tests.unit.project.test_sizes import name, python_files

CALL: Final = re.compile(r'get_logger\("(acoustid\.[\w.]+)"\)')

OTHER_NAMES: Final = frozenset(
    {
        "acoustid.runtime.circuit",
        "acoustid.runtime.watchdog",
        "acoustid.schema",
        "acoustid.start",
    }
)
"""Names that logs and configurations of installations contain."""


def module_of(path: Path) -> str:
    """Return the name of a module as loggers have it: without the folder ``pipeline``."""
    return name(path).removesuffix(".py").replace("/", ".").removeprefix("pipeline.")


def test_each_logger_has_the_name_of_its_module() -> None:
    found = {
        (module_of(path), each)
        for path in python_files()
        for each in CALL.findall(path.read_text("utf-8"))
    }
    assert len(found) > 50
    wrong = {each for module, each in found if each != f"acoustid.{module}"}
    assert wrong == OTHER_NAMES
