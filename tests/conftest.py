"""Hypothesis draws the same examples on every machine, and a busy machine fails no test."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("steady")
