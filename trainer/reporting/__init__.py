"""One page on some runs: what they were asked for, how good they are and where, and what they looked at."""
