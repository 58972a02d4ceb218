"""Sends many submissions, records which ones are done, and waits for their final states."""
