"""Takes submissions from NATS JetStream, and announces the final states of submissions.

The process ``acoustid ingest nats`` (the role ``ingest-nats`` of ``acoustid up``) runs two loops on
one connection:

1. the ingest loop reads messages, checks them like ``/v2/submit``, writes their receipts and
   acknowledges them after the commit. Refused messages go to the dead-letter subject.
2. the announcement loop publishes the rows of the outbox, which are written in the transactions
   that set final states.
"""
