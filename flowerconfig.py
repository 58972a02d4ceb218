"""Flower's settings, for `celery -A tasks flower` by hand; its command line wins over them."""

from pipeline.runtime.process import settle

# Flower can stop workers and shows what they do, so it listens on this machine alone. Before it
# listens to others it needs a password: FLOWER_BASIC_AUTH=user:password.
address = "127.0.0.1"

# Tasks that are remembered; lookups at full speed are a thousand a second.
max_tasks = 10_000

# Those tasks are many objects that stay: to look through them at Python's default pace takes long.
settle()
