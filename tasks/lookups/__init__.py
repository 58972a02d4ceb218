"""Lookups as Celery tasks: those that a client waits for, and background lookups.

`stages` has the work of each stage. `lookup` and `excerpt` define one task for each stage of the
two kinds of lookups, and `tasks.fast_path.batch_task` defines tasks that run all stages.
"""
