"""Imports of submissions: the stages validate, dedupe, score and persist, one module each.

`score` finds matches (with `compare_pairs`). `persist` decides on the fingerprint and the track of
each submission (`assign`) and writes them (`write_placements`). `all_stages` runs the stages in one
process. The thresholds are in `pipeline.thresholds`; the tasks that run the stages, with their
retries, are in `tasks.submission`.
"""
