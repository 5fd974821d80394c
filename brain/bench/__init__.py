"""Benchmarks of the running product: real processes, real broker, real database, figures counted and not assumed."""
