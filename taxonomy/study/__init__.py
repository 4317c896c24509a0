"""The human study of how deep people want an answer: planned, sampled, simulated and analysed.

A plan says who sees which images (`plan`), responses come in one schema (`responses`), and `analysis` turns both into
tables, intervals and tests. Only `page` and `figures` know how they are shown. What asks people their answers needs
nothing but the plan to read and the responses' schema to write.
"""
