"""The process ``acoustid ingest nats``: its resources, its signals, its heartbeat."""
