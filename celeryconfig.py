"""Celery's settings, each with its reason. `tasks.application` loads them."""

from kombu import Exchange, Queue

from pipeline.settings.load import load_settings
from tasks.fast_path.switches import FastPath
from tasks.flower.command import require_application
from tasks.periodic.schedule import SCHEDULE
from tasks.queues import MAINTENANCE, QUEUES, Acknowledgement

require_application()
_settings = load_settings()
_redis = _settings.redis.url()
_tls = _settings.redis.tls()

# Redis is both the broker and the store of results. Flower uses the settings of the broker.
broker_url = _redis
broker_use_ssl = _tls or False
result_backend = _redis
redis_backend_use_ssl = _tls

# Messages contain fingerprints as bytes, and JSON has no type for bytes. The remote control of
# workers uses JSON.
task_serializer = "msgpack"
result_serializer = "msgpack"
accept_content = ["msgpack", "json"]

# `tasks.queues` has the table of queues and tasks. Each kind of work has its own queue:
# long tasks do not delay short ones. An unknown queue is an error: no worker would serve it.
# Lookups need no acknowledgement: the front end waits for the reply, and sends a batch again long
# before Redis would deliver it again.
_acknowledges_lookups = FastPath.of(_settings).acknowledges
task_queues = [
    Queue(
        queue.name,
        Exchange(queue.name),
        routing_key=queue.name,
        no_ack=queue.acknowledgement is Acknowledgement.OPTIONAL and not _acknowledges_lookups,
    )
    for queue in QUEUES
]
task_routes = {queue.tasks: {"queue": queue.name} for queue in QUEUES}
task_default_queue = MAINTENANCE
task_create_missing_queues = False

# A message is acknowledged when its task has ended, not when a worker takes it. So the tasks of a
# killed worker run again, and every task must be idempotent. Lookups are the exception (`no_ack`).
task_acks_late = True
task_reject_on_worker_lost = True

# A task ends within `task_time_limit`. After `visibility_timeout`, Redis delivers the messages of a
# dead worker to another one; it checks this every second. The pool `prefork` kills a task that
# exceeds the limit, and the task runs again. The pool `solo`, which lookups use, has no limit.
task_soft_time_limit = 20
task_time_limit = 25
broker_transport_options = {
    "visibility_timeout": 30,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,  # more than the 1 s that a worker waits for a message
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

# Without a broker, publishing fails after few retries. `maintenance.sweep_receipts` publishes the
# submissions later.
task_publish_retry_policy = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
broker_connection_timeout = 2
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# After a lost connection a task can't be acknowledged, so it is stopped; it runs again.
worker_cancel_long_running_tasks_on_connection_loss = True

# Replies to lookups have separate Redis keys, and imports write to PostgreSQL. So only
# failures are stored as results; otherwise, a wait for a failed chain would never end.
task_ignore_result = True
task_store_errors_even_if_ignored = True
result_expires = _settings.retention.task_results_seconds or None
redis_socket_timeout = 30
redis_socket_connect_timeout = 2
redis_socket_keepalive = True

# A worker takes only one message in advance, so that other workers can take the others.
worker_prefetch_multiplier = 1

# Flower reads the events. The health check needs the heartbeats, which are sent only with events.
worker_send_task_events = True
event_queue_expires = 60
event_queue_ttl = 5

# Seconds for running tasks after SIGQUIT (`cli.stack.processes.stopping`). Then Celery returns
# their messages to the queue.
worker_soft_shutdown_timeout = 8
worker_enable_soft_shutdown_on_idle = True

# `pipeline.runtime.logs` configures logging. Celery does not redirect stdout.
worker_hijack_root_logger = False
worker_redirect_stdouts = False

# Two beat processes may run: one has a lock in Redis, the other waits for it.
beat_schedule = SCHEDULE
beat_scheduler = "redbeat.RedBeatScheduler"
beat_max_loop_interval = 1
redbeat_redis_url = _redis
redbeat_redis_use_ssl = _tls or False
redbeat_redis_options = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
redbeat_lock_timeout = 10

enable_utc = True
timezone = "UTC"
