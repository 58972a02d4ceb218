"""Fuzzers with a number of cases as an option; each compares with a rule or a reference.

A fuzzer is a function of a seed and a number of cases. It raises an AssertionError that names the
case.
"""
