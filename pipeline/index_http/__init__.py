"""The inverted index on a server with fpindex's protocol.

`HttpIndexReader` searches any of several servers. `HttpIndexUpdater` writes to the first one.
Each commit stores the changelog position of its content as metadata of the index.
"""

from pipeline.index.errors import IndexUnavailable, RequestRefused
from pipeline.index_http.client import IndexServerClient
from pipeline.index_http.reader import HttpIndexReader
from pipeline.index_http.updater import HttpIndexUpdater

__all__ = [
    "HttpIndexReader",
    "HttpIndexUpdater",
    "IndexServerClient",
    "IndexUnavailable",
    "RequestRefused",
]
