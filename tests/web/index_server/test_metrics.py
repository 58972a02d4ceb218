"""The metrics."""

from pathlib import Path

from falcon import testing
from prometheus_client.parser import text_string_to_metric_families

from index_server.registry import IndexRegistry
from tests.support.polling import eventually

Http = testing.TestClient


def samples(http: Http) -> dict[tuple[str, str], float]:
    """Return the values by name and index, without the buckets of histograms."""
    reply = http.simulate_get("/_metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, sample.labels.get("index", "")): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def test_every_metric_exists_from_the_start(http: Http) -> None:
    families = text_string_to_metric_families(http.simulate_get("/_metrics").text)
    assert {(family.name, family.type) for family in families} == {
        ("fpindex_searches", "counter"),
        ("fpindex_search_hits", "counter"),
        ("fpindex_search_misses", "counter"),
        ("fpindex_search_duration_seconds", "histogram"),
        ("fpindex_partial_searches", "counter"),
        ("fpindex_scanned_docs_per_hash", "histogram"),
        ("fpindex_scanned_blocks_per_hash", "histogram"),
        ("fpindex_updates", "counter"),
        ("fpindex_insert_duration_seconds", "histogram"),
        ("fpindex_checkpoints", "counter"),
        ("fpindex_memory_merges", "counter"),
        ("fpindex_file_merges", "counter"),
        ("fpindex_merge_duration_seconds", "histogram"),
        ("fpindex_docs", "gauge"),
        ("fpindex_version", "gauge"),
        ("fpindex_segment_count", "gauge"),
        ("fpindex_memory_segment_size_bytes", "gauge"),
        ("fpindex_file_segment_size_bytes", "gauge"),
        ("fpindex_damaged", "gauge"),
    }


def test_searches_and_updates_are_counted(http: Http) -> None:
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1]})
    http.simulate_put("/a/2", json={"hashes": [1]})
    for term in (1, 2, 3):
        http.simulate_post("/a/_search", json={"query": [term]})
    found = samples(http)
    expected = {
        "fpindex_searches_total": 3,
        "fpindex_search_hits_total": 1,
        "fpindex_search_misses_total": 2,
        "fpindex_search_duration_seconds_count": 3,
        "fpindex_partial_searches_total": 0,
        "fpindex_updates_total": 2,
        "fpindex_insert_duration_seconds_count": 2,
        "fpindex_docs": 2,
        "fpindex_version": 2,
        "fpindex_segment_count": 2,
        "fpindex_memory_segment_size_bytes": 0,
    }
    assert {name: found[name, "a"] for name in expected} == expected
    assert found["fpindex_checkpoints_total", ""] == 2
    assert found["fpindex_file_segment_size_bytes", "a"] > 0


def test_a_deleted_index_leaves_no_series(http: Http) -> None:
    http.simulate_put("/a")
    http.simulate_put("/b")
    http.simulate_post("/a/_search", json={"query": [1]})
    http.simulate_delete("/a")
    assert {index for _, index in samples(http)} == {"", "b"}
    http.simulate_put("/a")
    assert samples(http)["fpindex_searches_total", "a"] == 0


def test_an_index_deleted_during_a_scrape_is_skipped(http: Http, indexes: IndexRegistry) -> None:
    for name in ("a", "b"):
        http.simulate_put(f"/{name}")
    indexes.get("a").close()
    found = samples(http)
    assert ("fpindex_docs", "a") not in found
    assert found["fpindex_docs", "b"] == 0


def test_a_damaged_index_does_not_hide_the_others(http: Http, tmp_path: Path) -> None:
    for name in ("a", "b"):
        http.simulate_put(f"/{name}")
        http.simulate_put(f"/{name}/1", json={"hashes": [1]})
    (manifest,) = (tmp_path / "a").glob("*/manifest")
    manifest.write_bytes(b"damaged")
    found = samples(http)
    assert ("fpindex_docs", "a") not in found
    assert found["fpindex_updates_total", "a"] == 1
    assert found["fpindex_docs", "b"] == 1
    assert samples(http)["fpindex_damaged", "a"] == 1
    assert ("fpindex_damaged", "b") not in samples(http)


def test_a_refused_search_is_not_counted(http: Http) -> None:
    http.simulate_put("/a")
    http.simulate_post("/a/_search", json={"query": [-1]})
    assert samples(http)["fpindex_searches_total", "a"] == 0


def test_merges_in_the_background_are_counted(http: Http) -> None:
    http.simulate_put("/main")
    for document in range(1, 12):
        http.simulate_put(f"/main/{document}", json={"hashes": [1, document]})
    eventually(lambda: samples(http)["fpindex_file_merges_total", ""])
    assert samples(http)["fpindex_merge_duration_seconds_count", ""] >= 1
