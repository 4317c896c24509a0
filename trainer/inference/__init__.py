"""A trained network at work: forward passes, consistent paths, answers, features; needs no optimiser."""
