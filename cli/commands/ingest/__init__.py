"""``acoustid ingest``: takes submissions from NATS JetStream."""
