"""Experiments of the paper, repeated on images at hand."""
