"""Connections to the databases and Redis, logs, metrics, error reports and trace ids.

All processes of the service use these modules. `statsd_metrics` has every StatsD metric,
`redis_counters` counts in Redis, and `processes` creates values once per process, also after a
fork.
"""
