"""The front end: a WSGI application that parses requests, checks keys and limits, and queues work.

``routes.py`` lists the paths, and ``app.py`` creates the application from them. ``front_end.py``
has the databases, clients and queues that all endpoints of a process share. ``server.py`` serves
the application for ``acoustid serve``; ``wsgi.py`` is the entry point for other WSGI servers.

``http/`` has parameters, replies, error texts and client addresses. ``access/`` has keys and rate
limits. Each of the other modules has the endpoints of the paths with its name.
"""
