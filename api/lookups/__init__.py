"""``/v2/lookup``: parses requests, sends batches to the workers, and composes replies.

A request passes these files, in this order:

1. ``endpoint.py`` handles the HTTP request.
2. ``request.py`` parses the parameters into `pipeline.messages.Lookup` objects.
3. ``answer_cache.py`` returns the answers of equal lookups that are cached or in progress.
   ``tracked_generation.py`` reads the generation of the catalogue, which is a part of the cache
   key.
4. ``batcher.py`` queues the request, sends batches to the workers and reads their replies.
   ``fair_queue.py`` selects the requests of a batch, ``batch_policy.py`` decides when a batch is
   sent, and ``pending.py`` has the classes of a queued request and of a batch.
5. The workers run `tasks.lookup`, whose stages are in `pipeline.lookups`.
6. ``reply_plan.py`` composes the reply from the answers.

With ``async=1``, ``background.py`` replaces steps 3 to 5. Excerpts (``excerpts.py``) have a cache
and a batcher of their own.
"""
