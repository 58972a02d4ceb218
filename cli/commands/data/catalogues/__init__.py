"""`acoustid import` of other catalogues: CSV, JSON lines and audio files, as submissions.

`csv_records`, `json_records` and `audio_files` read one format each, and yield `Step` objects.
`receipts` checks each entry as ``/v2/submit`` does. `run` collects batches, which
`pipeline.bulk_import.submissions` writes.
"""
