"""Measuring the index embedded and over HTTP."""

from bench.index.http import measure_http
from bench.index.model import Model


def test_both_ways_have_figures(tmp_path, monkeypatch):
    # A new process would only load the same modules again.
    monkeypatch.setattr(
        "bench.index.http.in_new_process", lambda function, *given: function(*given)
    )
    figures = measure_http(tmp_path, Model(), 400, 200, queries=50)
    assert not list(tmp_path.iterdir())
    for work in ("insert", "search"):
        embedded, http = figures[work]["embedded"], figures[work]["http"]
        assert set(embedded) == {"cpu_us", "per_second"}
        assert set(http) == {"server_cpu_us", "client_cpu_us", "per_second"}
        # The CPU time of another process is counted in steps of 10 ms.
        assert min(*embedded.values(), http["client_cpu_us"], http["per_second"]) > 0
