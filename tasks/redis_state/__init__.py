"""State that front ends and workers share in Redis, in addition to Celery's messages."""
