"""Optimisations of lookups that bypass parts of Celery. Settings disable them.

``docs/fast-path.md`` lists the optimisations, their settings, and the library interfaces that they
use. No other package depends on them: if all are off, a lookup is an ordinary Celery chain.
"""
