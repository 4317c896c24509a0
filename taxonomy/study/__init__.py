"""The human study of how deep people want an answer: planned, sampled, served, simulated and analysed.

A plan says who sees which images (`plan`), `server` asks people by web pages, responses come in one schema
(`responses`), and `analysis` turns both into tables, intervals and tests. Only `page` and `figures` know how they are
shown. `profiles` turns what groups chose into how deep predictions are answered.
"""
