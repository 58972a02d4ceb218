"""Finds running stacks, and the processes that listen on ports."""
