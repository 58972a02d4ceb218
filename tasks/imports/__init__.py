"""Imports of submissions: which ones are sent to the workers, and when."""
