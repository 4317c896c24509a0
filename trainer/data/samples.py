"""What a network learns from, or is scored on: inputs and the labels of every level."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainer.data.inputs import Inputs


@dataclass(frozen=True)
class Samples:
    """Inputs and their labels.

    Attributes
    ----------
    inputs
        uint8 images ``[N, 3, S, S]``, or float32 pooled features ``[N, W]`` of a frozen backbone; see
        `trainer.data.inputs`.
    targets
        int64 ``[N, K]``, on the device: the label index at every level, -1 where it is not known.
    """

    inputs: Inputs
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)
