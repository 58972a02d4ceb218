"""Periodic tasks: their schedule and their implementation.

The task ``index.update``, which is periodic too, is in `tasks.index`.
"""
