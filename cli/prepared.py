"""What the preparation of the databases found or made, for whoever greets the user."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cli.files import write_private


@dataclass(frozen=True, slots=True)
class Demo:
    """Keys that anybody may try.

    Attributes:
        client: the demo application's key.
        user: the demo user's key.
    """

    client: str
    user: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo keys, None where they are off."""

    demo: Demo | None = None

    @classmethod
    def load(cls, path: Path) -> "Prepared":
        """Return what `save` wrote; nothing where there is no such file."""
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls()
        return cls(Demo(**found["demo"]) if found["demo"] else None)

    def save(self, path: Path) -> None:
        """Write it as JSON, readable by its owner alone."""
        write_private(path, json.dumps(asdict(self)))
