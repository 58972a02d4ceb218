"""HTTP requests and replies: bodies, parameters, errors, formats, client addresses, middleware."""
