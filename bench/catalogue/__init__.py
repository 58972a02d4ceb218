"""The synthetic catalogue of the benchmarks, and its loading into a stack."""
