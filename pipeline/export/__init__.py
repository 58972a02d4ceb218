"""Writes the catalogue as data files (`acoustid export`)."""
