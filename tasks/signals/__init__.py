"""Handlers of Celery's signals: those of every process, of beat and of workers."""
