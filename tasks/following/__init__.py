"""What an index worker keeps between two runs of the task `index.update`."""
