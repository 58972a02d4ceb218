"""The stacks of `make torture`, with proxies, clocks and disks of their own."""
