"""Loads an index without end, and tells each position once it is committed; made to be killed.

    python -m bench.index.loader PATH BATCH

Every line of its output is the position of a commit that has returned.
"""

from __future__ import annotations

import sys
from typing import Final

from bench.index.model import Model
from pipeline.index import open_writer

ENDLESS: Final = 1 << 31


def main(path: str, size: int) -> None:
    """Insert the model's documents from where the index ends, `size` a commit."""
    with open_writer(path) as writer:
        for batch in Model().inserts(ENDLESS, size, writer.position()):
            writer.apply(batch, batch[-1].id)
            print(batch[-1].id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
