"""Ids that were not seen."""

from pipeline.index_http.absent import AbsentDocuments


def test_ids_in_the_range_that_were_not_seen_come_in_chunks() -> None:
    absent = AbsentDocuments(3, 12)
    absent.see([1, 4, 5, 12])
    absent.see([9, 40])
    absent.see([])
    assert list(absent.chunks(4)) == [[3, 6], [7, 8, 10], [11]]


def test_an_empty_index_lacks_nothing() -> None:
    absent = AbsentDocuments(0, 0)
    absent.see([1, 2])
    assert list(absent.chunks(10)) == []
