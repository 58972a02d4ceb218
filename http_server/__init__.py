"""An HTTP server for WSGI applications that no client can stop.

uvicorn speaks HTTP. This package adds what it leaves open: limits on connections, on slow or large
bodies, on replies that are not read, and the hand-over of complete requests to threads that run a
WSGI application. The API and the index server both run on it. It knows neither of them.
"""
