"""The `acoustid` command: commands, supervisor, embedded servers and sample catalogue."""
