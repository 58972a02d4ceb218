"""Lookups: the stages validate, dedupe, score and describe, one module each.

A stage takes a batch of lookups and returns it. `trusted_index` and `trusted_store` decide whether
`score` may search the index and read the fingerprint store, and `metadata` makes the metadata that
`meta` selects. The thresholds are in `pipeline.thresholds`. The tasks that run the stages, and
their retries, are in `tasks.lookup`.
"""
