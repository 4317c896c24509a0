"""Levelled label hierarchies for fine-grained image datasets."""
