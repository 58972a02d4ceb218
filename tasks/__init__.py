"""The Celery application: queues, chains, periodic tasks. `celery -A tasks` loads this package.

A task calls functions of `pipeline`; no stage is implemented here.
"""
