"""What every backbone gives, whichever library its network comes from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from taxonomy import HiertaxError

Channels = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared when a network's published weights were learned.

    Attributes
    ----------
    mean, std
        What is taken from pixels in 0 to 1, and what the rest is divided by.
    size
        Height and width of an image.
    interpolation
        The filter that images were resized by.
    """

    mean: Channels
    std: Channels
    size: int = 224
    interpolation: str = "bilinear"


IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A network without its classifier: images in, feature maps out.

    A library's networks are one subclass, whose parameters keep the library's names, so that its weight files fit.

    Attributes
    ----------
    name
        The library's name of the network.
    widths
        The number of channels of each stage's map, from the largest map to the last. A stage ends where the
        resolution is about to fall; of a network whose stages give no maps there is the last one only.
    preprocessing
        How the images of its published weights were prepared.
    """

    name: str
    widths: tuple[int, ...]
    preprocessing: Preprocessing = IMAGENET

    @property
    def width(self) -> int:
        """The number of channels of the last map."""
        return self.widths[-1]

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the features of each stage, ``[B, widths[i], h_i, w_i]``."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``."""
        return self.maps(images)[-1]

    def published_weights(self) -> dict[str, Tensor]:
        """Return the ImageNet weights that the library publishes; a classifier among them does no harm.

        Raises
        ------
        HiertaxError
            If there are none, or they cannot be downloaded.
        """
        raise HiertaxError(f"`weights` imagenet: there are none for {self.name}; give `weights` a file")

    def last_widths(self, count: int) -> tuple[int, ...]:
        """Return the number of channels of the last `count` maps.

        Raises
        ------
        HiertaxError
            If the network gives fewer.
        """
        if len(self.widths) < count:
            raise HiertaxError(
                f"`backbone` {self.name}: gives {len(self.widths)} feature maps where {count} are needed; try resnet50"
            )
        return self.widths[-count:]


def global_max_pool(maps: Tensor) -> Tensor:
    """Map features ``[B, W, h, w]`` to the largest of each channel, ``[B, W]``.

    As torch's adaptive pooling to one pixel; unlike that it can be had to the bit on a GPU too.
    """
    return maps.flatten(2).max(dim=2).values
