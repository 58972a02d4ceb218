"""Benchmarks: a stack of their own, a made-up catalogue, load over HTTP, and what it costs.

Here and not under `tests`, since what they print is a measurement and no verdict.
"""
