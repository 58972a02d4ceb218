"""Reads ``run.json`` of a stack that this checkout or another one runs.

`cli.stack.run_state` accepts the fields that it writes itself and no others. A benchmark
needs few of them, and compares stacks of different versions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cli.stack.data_directory import DataDir

API: Final = "api"


@dataclass(frozen=True, slots=True)
class RunFile:
    """The processes of a stack.

    Attributes:
        supervisor: pid of the process that started the others.
        pids: of the others, by their roles.
        api_port: where the API listens, None where it does not.
        ready: whether the stack has been ready to answer.
    """

    supervisor: int
    pids: Mapping[str, int]
    api_port: int | None
    ready: bool


def read_run_file(data: DataDir) -> RunFile | None:
    """Return what a data directory last knew; None if nothing that can be read."""
    try:
        found = json.loads(data.run.read_bytes())
        processes = {each["role"]: each for each in found["processes"]}
        return RunFile(
            supervisor=found["supervisor"]["pid"],
            pids={role: each["identity"]["pid"] for role, each in processes.items()},
            api_port=processes.get(API, {}).get("port"),
            ready=found["ready"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
