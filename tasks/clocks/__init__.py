"""Times that processes on several hosts compare: the shared clock, times in messages, due times."""
