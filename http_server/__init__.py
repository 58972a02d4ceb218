"""An HTTP server for WSGI applications, with limits for each client.

uvicorn implements HTTP on an event loop. This package adds limits on connections, on slow or large
bodies, and on replies that clients do not read. It passes complete requests to threads that run a
WSGI application. The API and the index server use this package; it imports neither of them.
"""
