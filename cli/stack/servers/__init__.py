"""PostgreSQL and Valkey as children of this process, from wheels or from the system."""
