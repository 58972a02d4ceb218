"""The Celery application with a short visibility timeout.

``celery -A tests.support.processes.short_visibility worker`` receives the messages of a killed
worker after 3 s; ``celery -A tasks worker`` receives them after 30 s.
"""

from tasks.celery import app

SECONDS = 3

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": SECONDS,
}
