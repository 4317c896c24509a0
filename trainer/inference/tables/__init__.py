"""Answers for any number of images as a file: rows kept as they come, then written as a table of some format."""
