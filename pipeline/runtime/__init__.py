"""Connections to the databases and Redis, logs, metrics, error reports and trace ids.

All processes of the service use these modules. `metrics` names every StatsD metric,
`redis_counters` counts in Redis, and `processes` makes values once per process, also after a fork.
"""
