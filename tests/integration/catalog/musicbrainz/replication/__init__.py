"""Replication packets."""
