"""The Celery side: what runs where and in which order; never how. `celery -A tasks` finds it."""
