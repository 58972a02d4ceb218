"""Links to other servers: time limits of connections, circuits, texts of errors."""
