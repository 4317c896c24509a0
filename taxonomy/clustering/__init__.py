"""Hierarchies found in data: features in, `Hierarchy` out."""
