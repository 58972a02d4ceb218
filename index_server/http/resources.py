"""The HTTP resources of the index server."""

import falcon

from index_server.errors import (
    FingerprintNotFoundError,
    IndexDamagedError,
    IndexNotFoundError,
)
from index_server.http.formats import IndexRequest
from index_server.http.requests import (
    create_index_request,
    delete_index_request,
    document_id,
)
from index_server.http.searches import search_request
from index_server.http.updates import delete_request, insert_request, update_request
from index_server.prometheus_metrics import CONTENT_TYPE, IndexServerMetrics
from index_server.registry import IndexRegistry
from index_server.snapshot_stream import write_snapshot


class MetricsResource:
    """``/_metrics``: metrics for Prometheus."""

    def __init__(self, metrics: IndexServerMetrics) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return all metrics."""
        del req
        resp.content_type = CONTENT_TYPE
        resp.data = self._metrics.text()


class _IndexesResource:
    """A resource of one index."""

    def __init__(self, indexes: IndexRegistry) -> None:
        self._indexes = indexes


class HealthResource(_IndexesResource):
    """``/_health``: the server runs."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return ``OK``, and a line for each damaged index; the others are served."""
        del req
        resp.content_type = falcon.MEDIA_TEXT
        damaged = self._indexes.damaged.all().items()
        resp.text = "OK\n" + "".join(f"{name} is damaged: {text}\n" for name, text in damaged)

    on_head = on_get


class IndexHealthResource(_IndexesResource):
    """``/{index}/_health``: the index exists and is intact."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return ``OK``, 404 without a body, or 503 with the damage."""
        del req
        resp.content_type = falcon.MEDIA_TEXT
        if damage := self._indexes.damaged.get(index):
            resp.status = falcon.code_to_http_status(IndexDamagedError.status)
            resp.text = f"damaged: {damage}\n"
            return
        try:
            self._indexes.get(index)
        except IndexNotFoundError as missing:
            resp.status = falcon.code_to_http_status(missing.status)
            return
        resp.text = "OK\n"

    on_head = on_get


class IndexResource(_IndexesResource):
    """``/{index}``: the index itself."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return version, metadata and size."""
        info = self._indexes.get(index).info()
        stats = {
            "min_doc_id": info.stats.min_document_id,
            "max_doc_id": info.stats.max_document_id,
            "num_segments": info.stats.segments,
            "num_docs": info.stats.documents,
        }
        IndexRequest(req).reply(
            resp, {"version": info.stats.position, "metadata": info.metadata, "stats": stats}
        )

    def on_head(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return 404 if it does not exist."""
        del req, resp
        self._indexes.get(index)

    def on_put(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Create the index if it does not exist."""
        request = IndexRequest(req)
        created = self._indexes.create(index, create_index_request(*request.optional_body()))
        request.reply(
            resp,
            {"version": created.version(), "ready": True, "generation": created.generation},
        )

    def on_delete(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Delete the index if it exists."""
        request = IndexRequest(req)
        conditions = delete_index_request(*request.optional_body())
        deleted = self._indexes.delete(index, expect_exists=conditions.expect_exists)
        request.reply(resp, {"deleted": deleted})


class UpdateResource(_IndexesResource):
    """``/{index}/_update``: a batch of changes."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Apply the changes as one version."""
        request = IndexRequest(req)
        update = update_request(*request.encoded_body())
        request.reply(resp, {"version": self._indexes.get(index).update(update)})


class SearchResource(_IndexesResource):
    """``/{index}/_search``: the fingerprints that share the most terms with a query."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return ids and scores, the best first."""
        request = IndexRequest(req)
        hits = self._indexes.get(index).search(search_request(*request.body()))
        request.reply_hits(resp, hits)


class FingerprintResource(_IndexesResource):
    """``/{index}/{document}``: one fingerprint."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str, document: str) -> None:
        """Return the version of the fingerprint."""
        IndexRequest(req).reply(resp, {"version": self._version(index, document)})

    def on_head(
        self, req: falcon.Request, resp: falcon.Response, index: str, document: str
    ) -> None:
        """Return 404 if it does not exist."""
        del req, resp
        self._version(index, document)

    def on_put(self, req: falcon.Request, resp: falcon.Response, index: str, document: str) -> None:
        """Insert or replace the fingerprint."""
        request = IndexRequest(req)
        update = insert_request(*request.body(), document_id(document))
        self._indexes.get(index).update(update)
        request.reply(resp, {})

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, index: str, document: str
    ) -> None:
        """Delete the fingerprint. A missing one is not an error."""
        self._indexes.get(index).update(delete_request(document_id(document)))
        IndexRequest(req).reply(resp, {})

    def _version(self, index: str, document: str) -> int:
        number = document_id(document)
        version = self._indexes.get(index).version_of(number)
        if version is None:
            raise FingerprintNotFoundError
        return version


class StatusResource(_IndexesResource):
    """``/{index}/_status``: generation and version."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Return generation and versions. Every acknowledged version is in files."""
        found = self._indexes.get(index)
        version = found.version()
        IndexRequest(req).reply(
            resp,
            {"generation": found.generation, "version": version, "file_version": version},
        )


class SnapshotResource(_IndexesResource):
    """``/{index}/_snapshot``: all files of the index."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, index: str) -> None:
        """Stream the current state. Updates continue in the meantime."""
        del req
        found = self._indexes.get(index)
        resp.content_type = "application/octet-stream"
        resp.stream = write_snapshot(found.generation, found.files())
