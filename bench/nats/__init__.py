"""``acoustid bench nats``: imports of submissions that arrive by NATS JetStream."""
