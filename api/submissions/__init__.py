"""``/v2/submit`` and ``/v2/submission_status``.

A submission passes these files, in this order:

1. ``endpoint.py`` handles the HTTP request.
2. ``request.py`` parses the parameters into receipts; `pipeline.submission_fields` declares them.
3. ``receipts.py`` writes the receipts to the ingest database; from then on none is lost.
4. ``publisher.py`` sends their ids to the workers, which run `tasks.submission`.
5. ``status.py`` shows the states of submissions.

Steps 3 and 4 combine the work of many requests with ``group_commit.py``.
"""
