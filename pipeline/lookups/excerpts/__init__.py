"""Lookups that search the sketch index: those of excerpts, and second chances.

`validate` and `score` are stages of a lookup of excerpts; `dedupe` and `describe` are those of
ordinary lookups. `second_chance` runs after the stage `score` of ordinary lookups. `search` is the
search of both.
"""
