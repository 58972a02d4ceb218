"""Imports of submissions: the stages validate, dedupe, score and persist, one module each.

`score` finds matches (with `pairs`), `persist` decides what each submission becomes (`assign`) and
writes it (`write`). `all_stages` runs the stages in one process. The thresholds are in
`pipeline.thresholds`; the tasks that run the stages, with their retries, are in `tasks.submission`.
"""
