"""The inverted index on a server that speaks fpindex's protocol, ours or the public service's.

`HttpIndexReader` searches it on any of several servers, `HttpIndexUpdater` writes it on the first.
The changelog position of the content travels as metadata in the same commit as the content.
"""

from pipeline.index_http.errors import IndexUnavailable, RequestRefused
from pipeline.index_http.reader import HttpIndexReader
from pipeline.index_http.server import IndexServer
from pipeline.index_http.updater import HttpIndexUpdater

__all__ = [
    "HttpIndexReader",
    "HttpIndexUpdater",
    "IndexServer",
    "IndexUnavailable",
    "RequestRefused",
]
