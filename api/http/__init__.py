"""HTTP: bodies, parameters, replies, errors, client addresses, middleware."""
