"""A trained run, loaded once, that answers for any number of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.data.images import UndecodableImageError
from trainer.data.inputs import ArrayInputs, Inputs
from trainer.inference.answering.answer import Answered, Answering, Ranked
from trainer.inference.answering.choose import choose_answering
from trainer.inference.answering.wishes import Wishes, make_wishes
from trainer.inference.answers import Answers
from trainer.inference.batches import Batch, Images, decoded_batches, refuse
from trainer.inference.extraction import Embedding, feature_pool
from trainer.inference.forward import embed, predict_logits
from trainer.models.methods import Network
from trainer.runs.calibration import checkpoint_seal
from trainer.runs.checkpoint import Checkpoint
from trainer.runtime.device import Compute, choose
from trainer.runtime.progress import Reporter, reporter_of

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """A trained run's network on a device, with what its answers mean.

    Attributes
    ----------
    run
        The run folder.
    hierarchy
        The hierarchy it was trained on: the K levels and their labels.
    config
        The settings it was trained with, but for the device.
    epoch
        How many epochs it was trained for.
    network, compute
        What answers, and where and how that is computed.
    answering
        How logits become answers.
    """

    run: Path
    hierarchy: Hierarchy
    config: Config
    epoch: int
    network: Network
    compute: Compute
    answering: Answering

    def __repr__(self) -> str:
        config, levels = self.config, (f"{len(level)} {level.name}" for level in self.hierarchy.levels)
        about = f"{config.method}, {config.backbone}, epoch {self.epoch}; {', '.join(levels)}"
        return f"<{type(self).__name__} {self.run}: {about}; on {self.compute}>"

    @classmethod
    def load(cls, run: str | Path, *, device: str = "auto", local_rank: int = 0) -> Self:
        """Load what a run folder answers with: the best validated weights where it kept them, else the last.

        Parameters
        ----------
        device
            ``cpu``, ``cuda``, ``auto``, or another that torch has.
        local_rank
            Which of a machine's GPUs is meant by ``cuda``.

        Raises
        ------
        HiertaxError
            If there is no run, it is truncated or changed, or this machine has no such device.
        """
        return cls.of(Checkpoint.load_to_answer(Path(run)), device, local_rank)

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: str = "auto", local_rank: int = 0) -> Self:
        """Take the network of a checkpoint, as `Checkpoint.load_to_answer` gives it, to a device."""
        config = replace(checkpoint.config, device=device)
        compute = choose(config, local_rank)
        network = compute.place(checkpoint.answering()).eval().requires_grad_(False)
        hierarchy, run = checkpoint.hierarchy, checkpoint.path.parent
        answering = choose_answering(run, hierarchy, Wishes()).answering
        return cls(run, hierarchy, config, checkpoint.epoch, network, compute, answering)

    def seal(self) -> str:
        """Return the hash of all that answers, by the header of the checkpoint."""
        return checkpoint_seal(self.run)

    def wishing(self, wishes: Wishes, reporter: Reporter | bool | None = None) -> Self:
        """Return the same run, answering as is wished for.

        Parameters
        ----------
        reporter
            Who tells what there is to know about it, such as the operating point that was chosen.

        Raises
        ------
        HiertaxError
            As `choose_answering`.
        """
        chosen = choose_answering(self.run, self.hierarchy, wishes)
        for note in chosen.notes:
            reporter_of(reporter).say(note)
        return replace(self, answering=chosen.answering)

    def predict(
        self,
        images: Images,
        *,
        skip_bad: bool = False,
        top_k: int | None = None,
        reporter: Reporter | bool | None = None,
        **wishes: Any,
    ) -> Answers:
        """Name what is in images: for each one path from the root down, with a probability at every level.

        Images are decoded and answered for in batches: any number of them takes little memory.

        Parameters
        ----------
        images
            A path of an image, or of a folder, which stands for all images below it; a Pillow image; a uint8 array
            ``[H, W, 3]``, ``[H, W]`` (grey) or ``[N, H, W, 3]``; or any iterable of these, such as a generator.
        skip_bad
            Whether to leave out images that cannot be decoded; ``left_out`` of the answers tells which.
        top_k
            How many of the likeliest labels of every level to give beside the answers.
        reporter
            Who tells how far it is, True for a bar on stderr; without one nothing is shown.
        **wishes
            How to answer, such as ``confidence=0.9`` or ``within="Passeriformes"``; see `Wishes`.

        Raises
        ------
        HiertaxError
            If an image cannot be decoded and `skip_bad` is false, or none can be; if something is no image at all; if
            it cannot be answered as is wished for.
        """
        if wishes:
            return self.wishing(make_wishes(wishes), reporter).predict(
                images, skip_bad=skip_bad, top_k=top_k, reporter=reporter
            )
        names: list[str] = []
        left_out: list[str] = []
        parts = [_no_answer(self.hierarchy.depth)]
        ranked: list[list[Ranked]] = []
        for batch in self._batches(images, reporter, left_out if skip_bad else None):
            logits = self.logits_of(ArrayInputs(batch.pixels))
            parts.append(self.answering.answer(logits))
            names += batch.names
            if top_k is not None:
                ranked.append(self.answering.top(logits, top_k))
        answered = Answered(*map(np.concatenate, zip(*parts, strict=True)))
        top = tuple(Ranked(*map(np.concatenate, zip(*level, strict=True))) for level in zip(*ranked, strict=True))
        return Answers(
            self.hierarchy, tuple(names), answered.labels, answered.probability, tuple(left_out), answered.unknown, top
        )

    def answer(self, batch: Batch) -> Answered:
        """Answer for a batch of decoded images.

        Raises
        ------
        HiertaxError
            If its logits are not finite.
        """
        return self.answering.answer(self.logits_of(ArrayInputs(batch.pixels)))

    def batches(self, images: Images, on_bad: Callable[[str, UndecodableImageError], None] = refuse) -> Iterator[Batch]:
        """Decode images as the network takes them, see `decoded_batches`; `on_bad` hears of those that cannot be."""
        size, batch_size = self.config.image_size, self.config.batch_size
        return decoded_batches(images, size, batch_size, on_bad, ahead=self.compute.on_gpu)

    def logits(self, images: Images, *, reporter: Reporter | bool | None = None) -> list[Array]:
        """Return what the heads say of images, K float32 arrays ``[N, C_k]``, coarsest level first.

        Parameters
        ----------
        images, reporter
            As of `predict`.

        Raises
        ------
        HiertaxError
            As `predict`.
        """
        nothing = [torch.empty(0, size) for size in self.hierarchy.sizes]
        found = [self.logits_of(ArrayInputs(batch.pixels)) for batch in self._batches(images, reporter)]
        return [torch.cat(level).numpy() for level in zip(nothing, *found, strict=True)]

    def features(self, images: Images, *, reporter: Reporter | bool | None = None) -> Array:
        """Return the pooled last feature map of images, float32 ``[N, W]``.

        It is that of the backbone below the finest head, as `hiertrain extract --run` writes it: pooled as the run's
        heads read it, but the mean stands for the maximum.

        Parameters
        ----------
        images, reporter
            As of `predict`.

        Raises
        ------
        HiertaxError
            As `predict`.
        """
        pooled = Embedding(self.network.finest_backbone(), feature_pool(self.config.pool)).eval()
        one_pass = partial(embed, pooled, batch_size=self.config.batch_size, compute=self.compute)
        found = (one_pass(ArrayInputs(batch.pixels)).cpu() for batch in self._batches(images, reporter))
        return torch.cat([torch.empty(0, pooled.backbone.width), *found]).numpy()

    def logits_of(self, inputs: Inputs) -> list[Tensor]:
        """Return the logits of images that are decoded already, K float32 tensors ``[N, C_k]`` on the CPU.

        Raises
        ------
        HiertaxError
            If they are not finite, which no answer could be taken from.
        """
        logits = predict_logits(self.network, inputs, batch_size=self.config.batch_size, compute=self.compute)
        if not all(level.isfinite().all() for level in logits):
            raise HiertaxError(f"{self.run}: its logits are not finite on {self.compute}; try another `device`")
        return logits

    def _batches(
        self, images: Images, reporter: Reporter | bool | None, left_out: list[str] | None = None
    ) -> Iterator[Batch]:
        """Decode images batch by batch; what cannot be decoded is told to `left_out` if there is one, else raised."""
        on_bad = refuse if left_out is None else lambda _, error: left_out.append(str(error))
        total = len(images) if isinstance(images, list | tuple) else None
        any_good = False
        with reporter_of(reporter).images("answering", total) as advance:
            for batch in self.batches(images, on_bad):
                any_good = True
                yield batch
                advance(len(batch.names))
        if left_out and not any_good:
            raise HiertaxError(f"not one of {len(left_out)} images could be decoded: {left_out[0]}")


def _no_answer(depth: int) -> Answered:
    """Return what is said of no images at K levels."""
    nothing = np.empty((0, depth))
    return Answered(nothing.astype(np.int64), nothing, np.empty(0, np.int64), np.empty(0, np.bool_))
