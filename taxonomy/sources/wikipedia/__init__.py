"""Hierarchies from Wikipedia: ask for each class's page, read its taxobox, cross-check, never guess.

`taxobox` and `templates` read what a page states, `lineage` puts statements together, `survey` asks the
whole question through `api`, `cache` and `client`; `build` turns the answer into a `Hierarchy`.
"""
