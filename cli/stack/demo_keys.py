"""The keys of the demo application and its user, which the data directory of a stack contains."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.stack.files.json_file import read_json_object
from cli.stack.files.private_file import write_private


@dataclass(frozen=True, slots=True)
class Demo:
    """The keys of the demo application and its user.

    Attributes:
        client: the key of the application.
        user: the key of the user.
    """

    client: str
    user: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of the preparation.

    Attributes:
        demo: the demo keys; None if the settings disable them.
    """

    demo: Demo | None = None

    @classmethod
    def load(cls, path: Path) -> "Prepared":
        """Read the file that `save` writes; return an empty result if it is missing or damaged.

        The next `acoustid up` writes it again.
        """
        try:
            found: dict[str, Any] = read_json_object(path)
            demo = found["demo"]
            return cls(Demo(str(demo["client"]), str(demo["user"])) if demo else None)
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def save(self, path: Path) -> None:
        """Write the result as JSON; only the owner of the file can read it."""
        write_private(path, json.dumps(asdict(self)))


def replace_demo_user(path: Path, old_keys: Collection[str], new_key: str) -> None:
    """Replace the key of the demo user in the file that `Prepared.save` has written.

    Args:
        path: the file, which need not exist.
        old_keys: the earlier keys of an account. The file changes only if one of them is in it.
        new_key: the present key of the account.
    """
    demo = Prepared.load(path).demo
    if demo is not None and demo.user in old_keys:
        Prepared(replace(demo, user=new_key)).save(path)
