"""Building an index for the measurements."""

from bench.index.build import build
from bench.index.model import Model
from pipeline.index import open_reader


def test_a_complete_index_is_reused(tmp_path):
    path = tmp_path / "index"
    figures = build(path, Model(), 300, 40)
    with open_reader(path) as reader:
        assert reader.stats().documents == reader.position() == 300
    assert figures["inserts_per_second"] > 0
    assert [each.name for each in tmp_path.iterdir()] == ["index"]
    assert build(path, Model(), 300, 40) == {**figures, "built_before": True}


def test_an_incomplete_index_is_completed(tmp_path):
    build(tmp_path, Model(), 100, 40)
    assert "built_before" not in build(tmp_path, Model(), 150, 40)
    with open_reader(tmp_path) as reader:
        [hits] = reader.search([Model().documents(149, 150)[0]])
        assert hits.ids[0] == reader.stats().documents == 150
