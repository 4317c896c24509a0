"""Hierarchies from taxonomies that lie on the disk as their publishers give them: NCBI, Darwin Core, CoLDP, Clements.

`archive` streams the files of a folder or an archive; `ncbi`, `dwca`, `coldp` and `clements` read them into one
`Checklist`; `lookup` finds names in it; `build` turns the answers into a `Hierarchy`.
"""
