"""Celery's settings, each with its reason. `tasks.application` loads them.

Each name without an underscore is a setting, which `inspect conf` and Flower show.
"""

from kombu import Exchange as _Exchange
from kombu import Queue as _Queue

from pipeline.runtime.links.connection_limits import BROKER as _BROKER
from pipeline.settings.load import load_settings as _load_settings
from tasks.fast_path.switches import FastPath as _FastPath
from tasks.flower.command import require_application as _require_application
from tasks.periodic.schedule import schedule_of as _schedule_of
from tasks.queues import MAINTENANCE as _MAINTENANCE
from tasks.queues import Acknowledgement as _Acknowledgement
from tasks.queues import queues_of as _queues_of

_require_application()
_settings = _load_settings()
_redis = _settings.redis.url()
_tls = _settings.redis.tls()

# The limits of the links. `socket_keepalive_options` is left out: workers send these options in
# replies to `celery inspect`, and MessagePack refuses its keys, which are numbers. Instead kombu
# tests the connections on which a worker waits (`health_check_interval`).
_links = {
    "socket_timeout": _BROKER.reply,
    "socket_connect_timeout": _BROKER.connect,
    "socket_keepalive": True,
}

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
_acknowledges_lookups = _FastPath.of(_settings).acknowledges
_queues = _queues_of(excerpt_queue=_settings.celery.excerpt_queue)
task_queues = [
    _Queue(
        queue.name,
        _Exchange(queue.name),
        routing_key=queue.name,
        no_ack=queue.acknowledgement is _Acknowledgement.OPTIONAL and not _acknowledges_lookups,
    )
    for queue in _queues
]
task_routes = {pattern: {"queue": queue.name} for queue in _queues for pattern in queue.tasks}
task_default_queue = _MAINTENANCE
task_create_missing_queues = False

# A message is acknowledged when its task has ended, not when a worker takes it. So the tasks of a
# killed worker run again, and every task must be idempotent. Lookups are the exception (`no_ack`).
# The message of a task whose process was killed goes back to its queue: by a signal (any task), or
# by the time limit (only the stages of imports, `tasks.outcomes.submission_task`; other tasks are
# periodic, and their next run follows). A task that raises an error has ended.
task_acks_late = True
task_reject_on_worker_lost = True
task_acks_on_failure = True
task_acks_on_timeout = True

# A task ends within `task_time_limit`. After `visibility_timeout`, Redis delivers the messages of a
# dead worker to another one; it checks this every second. The pool `prefork` raises an error in a
# task that exceeds the first limit, and kills it at the second one. With the pool `solo`, which
# lookups use, `tasks.recovery.stuck_process` ends the process.
task_soft_time_limit = 20
task_time_limit = 25
broker_transport_options = {
    "visibility_timeout": 30,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    **_links,
    # A worker asks for a message again when no reply has come for this time and 1 s.
    "health_check_interval": 3,
}
worker_consumer = "tasks.recovery.prompt_consumer:PromptConsumer"

# Without a broker, publishing fails after few retries. `maintenance.sweep_receipts` publishes the
# submissions later.
task_publish_retry_policy = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
broker_connection_timeout = _BROKER.connect
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# After a lost connection a task can't be acknowledged, so it is stopped; it runs again.
worker_cancel_long_running_tasks_on_connection_loss = True

# Replies to lookups have separate Redis keys, and imports write to PostgreSQL. So only
# failures are stored as results; otherwise, a wait for a failed chain would never end.
task_ignore_result = True
task_store_errors_even_if_ignored = True
result_expires = _settings.retention.task_results_seconds or None
redis_socket_timeout = _BROKER.reply
redis_socket_connect_timeout = _BROKER.connect
redis_socket_keepalive = True
# A failure whose result can't be stored delays the next task by these seconds at most. By default,
# storing is tried 20 times.
result_backend_transport_options = {"retry_policy": {"timeout": _BROKER.reply}}

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
beat_schedule = _schedule_of(_settings.musicbrainz)
beat_scheduler = "tasks.clocks.beat_scheduler:CorrectingScheduler"
beat_max_loop_interval = 1
# Workers show their settings to Flower and to `inspect conf`. Celery masks the passwords of its own
# URLs there, but not that of this one, so the client gets it from an object.
redbeat_redis_url = _settings.redis.url(login=False)
redbeat_redis_use_ssl = _tls or False
redbeat_redis_options = {**_links, "credential_provider": _settings.redis.credentials()}
redbeat_lock_timeout = 7  # beat ends after a command without a reply, and its lock with it

enable_utc = True
timezone = "UTC"
