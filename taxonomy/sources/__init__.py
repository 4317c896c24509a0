"""The ways to obtain a hierarchy; each returns one and writes no file."""
