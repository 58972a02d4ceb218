"""Numbers of batches from the statistics of the workers."""

from bench.lookup.windows import count_batches, summarize_batches


def test_batches_are_counted_by_what_the_workers_answer():
    stats = {
        "lookup-1@here": {"total": {"lookup.batch": 17, "lookup.sampled_batch": 2}},
        "lookup-2@here": {"total": {"lookup.validate": 3, "lookup.dedupe": 3}},
        "index@here": {"total": {"index.update": 5}},
    }
    assert count_batches(stats) == 22


def test_batches_are_summed_up():
    assert summarize_batches(4, 16) == {"count": 4, "mean": 4.0}
    assert summarize_batches(0, 0) == {"count": 0}
