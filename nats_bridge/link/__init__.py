"""The connection to NATS: TLS, log-in, reconnects, texts of errors."""
