"""A stack on one machine: data directory, servers, roles, supervisor."""
