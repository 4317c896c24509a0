"""How good a run is: scores on labelled images, and a page that compares runs."""
