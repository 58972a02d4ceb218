"""Flower for this application: `celery -A tasks flower` with safe defaults from the settings."""
