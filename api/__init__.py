"""The front end: a thin WSGI application that parses, authenticates, limits, enqueues and waits."""
