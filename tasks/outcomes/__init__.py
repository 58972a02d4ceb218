"""Outcomes: the states of submissions after an error of their task."""
