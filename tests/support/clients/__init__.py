"""Clients of the service and of its workers for tests."""
