"""Optimisations of lookups that go past Celery's usual way, each with a setting that disables it.

``docs/fast-path.md`` lists the parts, their settings, and the library interfaces that they use. No
other package depends on a part being on: with all parts off, a lookup is an ordinary Celery chain.
"""
