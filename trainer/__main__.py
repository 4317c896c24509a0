"""``python -m trainer``, which is what ``torchrun -m trainer`` starts."""

from trainer.commands import main

main()
