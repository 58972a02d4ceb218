"""Reading the reports that ``bench lookup-plot`` draws."""

import json
from pathlib import Path

import pytest

from bench.plots import read_lookup_report
from cli.errors import StackError

WINDOW = {"connections": 4, "requests_per_second": 10.5, "latency_ms": {"p50": 1.0, "p99": 2}}


def test_a_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report = {"catalogue": {"fingerprints": 60}, "windows": [WINDOW]}
    path.write_text(json.dumps(report))
    assert read_lookup_report(path) == report


@pytest.mark.parametrize(
    "content", ["", "[1", "[]", "{}", '{"catalogue": {"fingerprints": 1}, "windows": [{}]}', "\xff"]
)
def test_another_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StackError, match=r"report\.json is no report of `acoustid bench lookup`"):
        read_lookup_report(path)
