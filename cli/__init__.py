"""The `acoustid` command: the embedded servers, their supervisor and the tools around them."""
