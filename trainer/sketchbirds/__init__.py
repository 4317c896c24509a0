"""Sketchbirds: an invented bird fauna, drawn by code, for trying the trainer without a download.

Five orders differ in outline, twelve families in proportions, thirty-six species in plumage; pose,
place, light and background vary from picture to picture and say nothing about the species.
"""

from trainer.sketchbirds.dataset import PER_CLASS_TEST, PER_CLASS_TRAIN, draw_dataset
from trainer.sketchbirds.draw import draw_bird, draw_outline
from trainer.sketchbirds.fauna import birds

__all__ = ["PER_CLASS_TEST", "PER_CLASS_TRAIN", "birds", "draw_bird", "draw_dataset", "draw_outline"]
