"""Tests of `tasks.recovery` with a real Redis."""
