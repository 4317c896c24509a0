"""How good a run is: scores on labelled images, and how runs differ."""
