"""Numbers of batches from the statistics of the workers."""

from bench.lookup.windows import count_batches, summarize_batches


def test_batches_are_counted_from_the_statistics_of_the_workers():
    stats = {
        "lookup-1@here": {"total": {"lookup.batch": 17, "lookup.sampled_batch": 2}},
        "lookup-2@here": {"total": {"lookup.validate": 3, "lookup.dedupe": 3}},
        "index@here": {"total": {"index.update": 5}},
    }
    assert count_batches(stats) == 22


def test_the_summary_has_the_mean_batch_size():
    assert summarize_batches(4, 16) == {"count": 4, "mean": 4.0}
    assert summarize_batches(0, 0) == {"count": 0}
