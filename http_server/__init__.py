"""An HTTP server for WSGI applications, with limits for each client.

uvicorn speaks HTTP. This package adds limits on connections, on slow or large
bodies, on replies that are not read, and the hand-over of complete requests to threads that run a
WSGI application. The API and the index server both run on it. It knows neither of them.
"""
