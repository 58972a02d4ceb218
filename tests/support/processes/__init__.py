"""Servers, workers and stacks for tests."""
