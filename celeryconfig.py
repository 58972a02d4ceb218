"""Celery's settings, each with its reason. Read once, by the first use of `tasks.celery.app`."""

from kombu import Exchange, Queue

from pipeline.settings.load import load_settings
from tasks.fast_path.paths import FastPath
from tasks.redis_state import queue_lengths
from tasks.schedule import SCHEDULE

_settings = load_settings()
_redis = _settings.redis.url()

# Redis carries the messages and keeps the results.
broker_url = _redis
result_backend = _redis

# Fingerprints travel as bytes, which JSON has not; the remote control of workers speaks JSON.
task_serializer = "msgpack"
result_serializer = "msgpack"
accept_content = ["msgpack", "json"]

# One queue for each kind of work, so that a long one never holds up a short one. A name that is
# not here is an error rather than a new queue that no worker serves. Lookups need not be kept until
# they are acknowledged: the front end waits, and sends a batch again long before Redis would.
_unacknowledged = () if FastPath.of(_settings).acknowledges else (queue_lengths.LOOKUP,)
task_queues = [
    Queue(name, Exchange(name), routing_key=name, no_ack=name in _unacknowledged)
    for name in queue_lengths.NAMES
]
task_default_queue = "maintenance"
task_create_missing_queues = False
task_routes = {
    "lookup.background": {"queue": "background"},  # a name comes before a pattern
    "lookup.*": {"queue": "lookup"},
    "submission.*": {"queue": "submission"},
    "index.*": {"queue": "index"},
    "maintenance.*": {"queue": "maintenance"},
}

# A task is done when it has ended, not when it was handed out: a worker killed in the middle loses
# nothing, and every task may run twice. Lookups are the exception: see `no_ack` above.
task_acks_late = True
task_reject_on_worker_lost = True

# No task takes longer, so after this time Redis hands a lost worker's messages to another one; it
# looks every second. In a pool of processes a task that hangs is killed and tried again; the pool
# `solo`, which lookups use, has no such limit.
task_soft_time_limit = 20
task_time_limit = 25
broker_transport_options = {
    "visibility_timeout": 30,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,  # above the 1 s that a worker waits for a message
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

# A front end that can't publish says so at once: its receipts are swept up later.
task_publish_retry_policy = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
broker_connection_timeout = 2
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# Work on whose result nobody can count any more is stopped when the connection is lost.
worker_cancel_long_running_tasks_on_connection_loss = True

# A lookup's answer goes to the front end by a key of its own and a submission's into PostgreSQL,
# so results are only kept of failures; without them, waiting for a failed chain would never end.
task_ignore_result = True
task_store_errors_even_if_ignored = True
result_expires = 3600
redis_socket_timeout = 30
redis_socket_connect_timeout = 2
redis_socket_keepalive = True

# A worker takes one message more than it works on and no longer hoards the rest.
worker_prefetch_multiplier = 1

# Flower and the health check live on these.
worker_send_task_events = True
event_queue_expires = 60
event_queue_ttl = 5

# After TERM, running tasks get this long, then their messages go back to the queue.
worker_soft_shutdown_timeout = 8
worker_enable_soft_shutdown_on_idle = True

# Our own logging stands, and what a library prints stays what it is.
worker_hijack_root_logger = False
worker_redirect_stdouts = False

# Beats may be started twice: one holds the lock, the other waits to take over.
beat_schedule = SCHEDULE
beat_scheduler = "redbeat.RedBeatScheduler"
beat_max_loop_interval = 1
redbeat_redis_url = _redis
redbeat_lock_timeout = 10

enable_utc = True
timezone = "UTC"
