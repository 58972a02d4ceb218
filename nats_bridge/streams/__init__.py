"""Makes and checks streams and consumers."""
