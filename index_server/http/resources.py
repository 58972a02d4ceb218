"""The paths of the index server."""

import falcon

from index_server.errors import FingerprintNotFoundError, IndexNotFoundError
from index_server.http.exchange import Exchange
from index_server.http.requests import (
    create_index_request,
    delete_index_request,
    delete_request,
    document_id,
    insert_request,
    search_request,
    update_request,
)
from index_server.indexes import Indexes
from index_server.metrics import CONTENT_TYPE, Metrics
from index_server.snapshot import write_snapshot


class Health:
    """``/_health``: the process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say so."""
        del req
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "OK\n"

    on_head = on_get


class MetricsText:
    """``/_metrics``: what Prometheus scrapes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return all metrics."""
        del req
        resp.content_type = CONTENT_TYPE
        resp.data = self._metrics.text()


class Resource:
    """A path below an index's name."""

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes


class IndexHealth(Resource):
    """``/{index}/_health``: the index exists and answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Say so, or 404 with nothing."""
        del req
        try:
            self._indexes.get(index)
        except IndexNotFoundError as missing:
            resp.status = falcon.code_to_http_status(missing.status)
            return
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "OK\n"

    on_head = on_get


class Index(Resource):
    """``/{index}``: an index as a whole."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return version, metadata and size."""
        info = self._indexes.get(index).info()
        stats = {
            "min_doc_id": info.stats.min_document_id,
            "max_doc_id": info.stats.max_document_id,
            "num_segments": info.stats.segments,
            "num_docs": info.stats.documents,
        }
        Exchange(req).reply(
            resp, {"version": info.stats.position, "metadata": info.metadata, "stats": stats}
        )

    def on_head(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Tell by the status whether it exists."""
        del req, resp
        self._indexes.get(index)

    def on_put(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Create it, unless it exists."""
        exchange = Exchange(req)
        request = create_index_request(*exchange.message_or_nothing())
        created = self._indexes.create(index, request)
        exchange.reply(
            resp,
            {"version": created.version(), "ready": True, "generation": created.generation},
        )

    def on_delete(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Delete it, if it exists."""
        exchange = Exchange(req)
        request = delete_index_request(*exchange.message_or_nothing())
        deleted = self._indexes.delete(index, expect_exists=request.expect_exists)
        exchange.reply(resp, {"deleted": deleted})


class Updates(Resource):
    """``/{index}/_update``: changes that become one version."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Apply them."""
        exchange = Exchange(req)
        update = update_request(*exchange.message())
        exchange.reply(resp, {"version": self._indexes.get(index).update(update)})


class Searches(Resource):
    """``/{index}/_search``: the fingerprints most like a query."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return their ids and scores, the best first."""
        exchange = Exchange(req)
        request = search_request(*exchange.message())
        hits = self._indexes.get(index).search(request)
        found = zip(hits.ids.tolist(), hits.scores.tolist(), strict=True)
        results = [{"id": document, "score": score} for document, score in found]
        exchange.reply(resp, {"results": results})


class Fingerprint(Resource):
    """``/{index}/{document}``: one fingerprint."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str, document: str) -> None:
        """Return its version."""
        Exchange(req).reply(resp, {"version": self._version(index, document)})

    def on_head(
        self, req: falcon.Request, resp: falcon.Response, index: str, document: str
    ) -> None:
        """Tell by the status whether it exists."""
        del req, resp
        self._version(index, document)

    def on_put(self, req: falcon.Request, resp: falcon.Response, index: str, document: str) -> None:
        """Put it in, in place of an earlier one."""
        exchange = Exchange(req)
        update = insert_request(*exchange.message(), document_id(document))
        self._indexes.get(index).update(update)
        exchange.reply(resp, {})

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, index: str, document: str
    ) -> None:
        """Take it out; one that isn't there is no error."""
        self._indexes.get(index).update(delete_request(document_id(document)))
        Exchange(req).reply(resp, {})

    def _version(self, index: str, document: str) -> int:
        number = document_id(document)
        version = self._indexes.get(index).version_of(number)
        if version is None:
            raise FingerprintNotFoundError
        return version


class Status(Resource):
    """``/{index}/_status``: which index it is, and how far."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return generation and versions; what is acknowledged is in files."""
        found = self._indexes.get(index)
        version = found.version()
        Exchange(req).reply(
            resp,
            {"generation": found.generation, "version": version, "file_version": version},
        )


class Snapshot(Resource):
    """``/{index}/_snapshot``: the whole index."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Stream it as it is now, while it goes on changing."""
        del req
        found = self._indexes.get(index)
        resp.content_type = "application/octet-stream"
        resp.stream = write_snapshot(found.generation, found.files())
