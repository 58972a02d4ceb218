"""The Celery application of a worker that soon gets the messages of one that was killed.

``celery -A tests.support.short_visibility worker`` is what ``celery -A tasks worker`` is, but that
it waits for seconds where that one waits for half a minute.
"""

from tasks.celery import app

SECONDS = 3

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": SECONDS,
}
