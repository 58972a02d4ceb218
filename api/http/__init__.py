"""The web service's HTTP: bodies, parameters, replies, errors, client addresses, middleware."""
