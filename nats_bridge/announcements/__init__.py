"""Publishes the final states of submissions."""
