"""Lookups: the stages validate, dedupe, score and describe, one module each.

A stage takes a batch of lookups and returns it. `trusted_store` decides whether `score` may read
the fingerprint store, and `metadata` makes the metadata that `meta` selects. The
thresholds are in `pipeline.thresholds`. The tasks that run the stages, and their retries, are in
`tasks.lookup`.
"""
