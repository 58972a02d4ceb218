"""Commands that use a running service over HTTP."""
