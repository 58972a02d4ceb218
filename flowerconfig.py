"""Flower's settings for `celery -A tasks flower`. Command line options take precedence."""

# Flower shows tasks and can stop workers, so it listens on the loopback address only. For any other
# address, set a password first: FLOWER_BASIC_AUTH=user:password.
address = "127.0.0.1"

# Number of tasks that Flower keeps. Each front end shows one batch of lookups per second.
max_tasks = 10_000
