"""``/v2/lookup``, from the HTTP request to the batch for the workers and back.

A request passes these files, in this order:

1. ``endpoint.py`` handles the HTTP request: it parses, counts, looks up and composes the reply.
2. ``request.py`` parses the parameters into `pipeline.messages.Lookup` objects.
3. ``answer_cache.py`` returns the answer of an equal lookup, if a recent one is kept or one is in
   progress. ``tracked_generation.py`` reads the generation of the catalogue, a part of the key.
4. ``batcher.py`` queues the request, sends batches to the workers and reads their replies.
   ``fair_queue.py`` decides which requests a batch has, ``batch_policy.py`` when it is sent, and
   ``pending.py`` has the classes of a queued request and of a batch.
5. The workers run `tasks.lookup`, whose stages are in `pipeline.lookups`.
6. ``reply_plan.py`` composes the reply from the answers.

With ``async=1`` the endpoint uses ``background.py`` in place of steps 3 to 5.
"""
