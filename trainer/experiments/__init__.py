"""Experiments of the paper, one file each; `hiertrain reproduce` runs them."""
