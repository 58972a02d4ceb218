"""``/v2/submit`` and ``/v2/submission_status``.

A submission passes these files, in this order:

1. ``endpoint.py`` handles the HTTP request. It also returns the states of submissions.
2. ``request.py`` parses the parameters into receipts. `pipeline.submission_fields` declares the
   fields.
3. ``receipts.py`` writes the receipts to the ingest database. After that, no receipt is lost.
4. ``publisher.py`` sends the ids of the receipts to the workers, which run `tasks.submission`.
   While the queue is full, ``backlog.py`` leaves them in the database.

Steps 3 and 4 use ``group_commit.py`` to combine the work of many requests.
"""
