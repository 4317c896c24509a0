"""What checkpoint files are called, and what the names in them begin with; needs no torch."""

from typing import Final

FORMAT: Final = "hiertax-checkpoint"
LAST, BEST = "checkpoint.safetensors", "best.safetensors"
WEIGHTS, AVERAGE = "weights/", "average/"
OPTIMIZER, MOMENTUM = "optimizer/", "momentum/"  # the optimiser's state, and, in older checkpoints, its momentum
SUMS, KNOWN = "sums", "known"  # of the epoch so far: loss and right answers, known labels
