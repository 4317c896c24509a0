"""One image classifier that answers at every level of a label hierarchy."""
