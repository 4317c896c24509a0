"""Augmentation on the device, of a whole batch at once: uint8 images in, normalised float images out.

All random numbers of an epoch are drawn beforehand (`draw_params`), one row per sample, and moved to the device once. A
batch takes its rows of them (`AugmentationParams.rows`), and nothing else comes from the host: no step waits for it,
a run can go on in the middle of an epoch, and several processes can share the numbers of one epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.data.crops import draw_boxes, draw_shifts, resized_crops, shifted_crops
from trainer.data.mixing import Mix, draw_mix, mix
from trainer.models.backbones.interface import IMAGENET, Preprocessing

BRIGHTNESS, CONTRAST, SATURATION = range(3)


@dataclass(frozen=True)
class Recipe:
    """How training images are changed at random; each is also mirrored with probability 1/2, whatever the recipe.

    Attributes
    ----------
    crop
        ``pad``: zero padding 4 and a random crop, the recipe of the paper's code. ``resized``: a random box enlarged to
        the image's size, torchvision's ``RandomResizedCrop`` of the square image.
    crop_area
        The least share of the image that the box of ``resized`` holds.
    color_jitter
        Brightness, contrast and saturation factors are uniform in ``[max(0, 1 - x), 1 + x]``; 0 is off.
    mixup, cutmix
        The alpha of Beta(alpha, alpha); 0 is off. Where both are on, each image takes one of the two at equal chance.
    """

    crop: Literal["pad", "resized"] = "pad"
    crop_area: float = 0.08
    color_jitter: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


class Jitter(NamedTuple):
    """Colour changes of N images.

    Attributes
    ----------
    factors
        float32 ``[N, 3]``: of brightness, contrast and saturation.
    order
        int64 ``[N, 3]``: which of the three comes first, second and third.
    """

    factors: Tensor
    order: Tensor


@dataclass(frozen=True)
class AugmentationParams:
    """The random numbers of N samples, one row each.

    Attributes
    ----------
    window
        int64, where the crop lies: ``[N, 2]`` top and left in the padded image, or ``[N, 4]`` top, left, height and
        width of the box that is enlarged.
    flip
        bool ``[N]``: which samples are mirrored.
    jitter, mix
        Colour changes and partners' shares, or None where the recipe has none.
    """

    window: Tensor
    flip: Tensor
    jitter: Jitter | None = None
    mix: Mix | None = None

    @property
    def share(self) -> Tensor | None:
        """How much of each sample is its own image, float32 ``[N]``; None without mixing."""
        return None if self.mix is None else self.mix.share

    def rows(self, start: int, stop: int) -> AugmentationParams:
        """Return the draws of some samples, without a copy."""
        return self._each(lambda values: values[start:stop])

    def to(self, device: torch.device | str) -> AugmentationParams:
        """Return the draws on a device."""
        return self._each(lambda values: values.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> AugmentationParams:
        return AugmentationParams(
            change(self.window),
            change(self.flip),
            None if self.jitter is None else Jitter(*map(change, self.jitter)),
            None if self.mix is None else Mix(*map(change, self.mix)),
        )


def draw_params(recipe: Recipe, count: int, size: int, generator: torch.Generator) -> AugmentationParams:
    """Draw the random numbers of N samples.

    Parameters
    ----------
    recipe
        What they are for.
    count
        N, the samples of a whole epoch.
    size
        The images' height and width.
    generator
        A CPU generator: the same draws for every device.
    """
    resized = recipe.crop == "resized"
    window = draw_boxes(count, size, generator, recipe.crop_area) if resized else draw_shifts(count, generator)
    return AugmentationParams(
        window,
        torch.rand(count, generator=generator) < 0.5,
        draw_jitter(recipe.color_jitter, count, generator) if recipe.color_jitter else None,
        draw_mix(recipe.mixup, recipe.cutmix, count, size, generator) if recipe.mixup or recipe.cutmix else None,
    )


def augment(images: Tensor, draws: AugmentationParams, preprocessing: Preprocessing = IMAGENET) -> Tensor:
    """Crop, flip, jitter, normalise and mix a batch, each image by its own row of the draws.

    Parameters
    ----------
    images
        uint8 ``[B, 3, S, S]``.
    draws
        B rows, on the images' device.
    preprocessing
        That of the network: what `normalise` takes.

    Returns
    -------
    float32 ``[B, 3, S, S]``, channels last. Where images are mixed, the targets are ``targets`` by
    `AugmentationParams.share` and ``targets.flip(0)`` by the rest of it.
    """
    crops = shifted_crops if draws.window.shape[1] == 2 else resized_crops
    pixels = crops(images, draws.window, draws.flip)
    if draws.jitter is not None:
        pixels = jitter(pixels.float(), draws.jitter)
    result = normalise(pixels, preprocessing)
    return result if draws.mix is None else mix(result, draws.mix)


def normalise(images: Tensor, preprocessing: Preprocessing = IMAGENET) -> Tensor:
    """Map images ``[B, 3, S, S]`` in 0 to 255 to channels-last float32 with mean and deviation of pixels taken out."""
    mean, std = preprocessing.mean, preprocessing.std
    scale = _channels([1 / (255 * deviation) for deviation in std], images.device)
    offset = _channels([-average / deviation for average, deviation in zip(mean, std, strict=True)], images.device)
    pixels = torch.empty_like(images.movedim(1, -1), dtype=torch.float32, memory_format=torch.contiguous_format)
    pixels.copy_(images.movedim(1, -1))  # [B, S, S, 3]
    # In place: a new large tensor costs more than the sum. Channels come last in it, not in its layout alone: of a
    # tensor that is not contiguous torch 2.11 does not compile this.
    return torch.addcmul(offset, pixels, scale, out=pixels).movedim(-1, 1)


def _channels(values: list[float], device: torch.device) -> Tensor:
    """Return one value per channel, ``[3]``, filled on the device: `torch.tensor` would copy, and wait for it."""
    return torch.stack([torch.full((), value, device=device) for value in values])


def draw_jitter(strength: float, count: int, generator: torch.Generator) -> Jitter:
    """Draw colour changes: three uniform factors per image, and one of the six orders."""
    low, high = max(0.0, 1 - strength), 1 + strength
    factors = low + (high - low) * torch.rand(count, 3, generator=generator)
    return Jitter(factors, torch.rand(count, 3, generator=generator).argsort(1))


def jitter(pixels: Tensor, draws: Jitter) -> Tensor:
    """Change brightness, contrast and saturation of each image in its own order.

    Parameters
    ----------
    pixels
        float32 ``[B, 3, S, S]`` in 0 to 255.

    Returns
    -------
    float32 ``[B, 3, S, S]`` in 0 to 255: torchvision's ``ColorJitter`` without hue. Each change blends the image with a
    reference: black for brightness, its mean grey for contrast, its grey version for saturation.
    """
    for operation in draws.order.unbind(1):  # [B], three times
        factor = draws.factors.gather(1, operation[:, None]).view(-1, 1, 1, 1)
        operation = operation.view(-1, 1, 1, 1)
        red, green, blue = pixels.split(1, dim=1)
        grey = (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)  # [B, 1, S, S]
        mean = grey.mean((2, 3), keepdim=True) * (operation == CONTRAST)
        reference = torch.where(operation == SATURATION, grey, mean)
        pixels = torch.lerp(reference, pixels, factor).clamp_(0, 255)
    return pixels
