"""``python -m trainer``, which is what ``torchrun -m trainer`` starts."""

from trainer.cli import main

main()
