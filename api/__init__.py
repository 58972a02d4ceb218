"""The front end: a WSGI application that parses requests, checks keys and limits, and queues work.

`app` is the application, `routes` its paths, `front_end` the resources of a process. ``http/`` has
parameters, replies, error texts and client addresses; ``access/`` has keys and rate limits.
"""
