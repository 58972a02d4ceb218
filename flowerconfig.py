"""Flower's settings, for `celery -A tasks flower` by hand; its command line wins over them."""

# Flower can stop workers and shows what they do, so it listens on this machine alone. Before it
# listens to others it needs a password: FLOWER_BASIC_AUTH=user:password.
address = "127.0.0.1"

# Tasks that are remembered. Of lookups, each front end shows one batch a second.
max_tasks = 10_000
