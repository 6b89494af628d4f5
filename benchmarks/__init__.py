"""Benchmarks: run from a clone, never installed."""
