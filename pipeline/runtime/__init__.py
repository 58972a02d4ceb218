"""What every process needs: settings, logs, metrics, error reports, Redis and databases."""
