"""Opens an index for writing and for reading, searches it, and prints the moments of all that.

    python -m bench.index.ready PATH < TERMS

The moments are those of the system's clock, which the process that started this one can read too.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from pipeline.index import open_reader, open_writer


def main(path: str) -> None:
    """Read the terms of a query, uint32, from standard input, and print moments in seconds."""
    query = np.frombuffer(sys.stdin.buffer.read(), dtype=np.uint32)
    moments = {"opening": time.monotonic()}
    with open_writer(path):
        moments["written"] = time.monotonic()
        with open_reader(path) as reader:
            moments["read"] = time.monotonic()
            [hits] = reader.search([query])
            moments["ready"] = time.monotonic()
    if not hits.ids.size:
        raise SystemExit("the query has found nothing")
    print(json.dumps(moments))


if __name__ == "__main__":
    main(sys.argv[1])
