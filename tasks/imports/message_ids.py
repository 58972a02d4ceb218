"""The ids of the submissions in the message of a stage."""

from collections.abc import Sequence
from typing import Any


def submission_ids(args: Sequence[Any]) -> list[int]:
    """Return the ids in a stage's arguments: a list of ids for the first stage, else a batch.

    A message of another version, which the stage refuses, may have no ids.
    """
    match args:
        case [list() as ids]:
            return ids
        case [{"submissions": list() as batch}]:
            return [each["id"] for each in batch if isinstance(each, dict) and "id" in each]
    return []
