"""Stacks for benchmarks: options, start, CPU time and memory of the processes."""
