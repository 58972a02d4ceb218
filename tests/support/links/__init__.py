"""Faulty network links between two processes."""
