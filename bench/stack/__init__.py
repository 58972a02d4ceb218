"""A stack for a benchmark, its options, and the CPU time of its processes."""
