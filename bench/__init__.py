"""Benchmarks, run as ``acoustid bench``: they print measurements as JSON.

Most of them start a stack with a synthetic catalogue and send requests over HTTP.
"""
