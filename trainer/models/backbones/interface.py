"""What every backbone gives, whichever library its network comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Self

from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.config import Pool
from trainer.models.backbones.blocks import batch_norms, group_by_block, parts_of, resting_parts
from trainer.models.backbones.pooling import POOLINGS, GeneralisedMean

Channels = tuple[float, float, float]  # red, green, blue
GEM = "gem"  # what the learnable pooling is called among a backbone's parts


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared when a network's published weights were learned.

    Of this, mean and deviation are applied; images are resized as all are (docs/methods.md).

    Attributes
    ----------
    mean, std
        What is taken from pixels in 0 to 1, and what the rest is divided by.
    size
        Height and width of an image.
    interpolation
        The filter that images were resized by.
    crop
        The share of the height and width of a resized image that was kept, about its centre.
    """

    mean: Channels
    std: Channels
    size: int = 224
    interpolation: str = "bilinear"
    crop: float = 0.875


IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A network without its classifier: images in, feature maps out.

    A library's networks are one subclass. Their parameters keep the library's names, so that its weight files fit.

    Attributes
    ----------
    name
        The library's name of the network.
    widths
        The number of channels of each stage's map, from the largest map to the last. A stage ends where the
        resolution is about to fall; of a network whose stages give no maps, or whose maps are all of one size, there is
        the last one only.
    preprocessing
        How the images of its published weights were prepared.
    image_size
        Height and width of the images that it was built for; many take others too.
    has_class_token
        Whether the network has a token that stands for the whole image.
    pool
        How the last map becomes one vector, see `pool_by`.
    keeps_statistics
        Whether its batch norms go by their running statistics in training too, and leave them as they are.
    """

    name: str
    widths: tuple[int, ...]
    image_size: int = 224
    preprocessing: Preprocessing = IMAGENET
    has_class_token: bool = False
    pool: Pool = "max"
    keeps_statistics: bool = False

    @property
    def width(self) -> int:
        """The number of channels of the last map."""
        return self.widths[-1]

    @property
    def library_network(self) -> nn.Module:
        """The module whose tensors bear the library's names."""
        return self

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the features of each stage, ``[B, widths[i], h_i, w_i]``."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``."""
        return self.maps(images)[-1]

    def class_token_of(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to their class token after the last layer, ``[B, width]``."""
        raise NotImplementedError

    def pooled(self, images: Tensor, pool: Pool | None = None) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to vectors ``[B, width]``, in the way chosen or in another."""
        pool = pool or self.pool
        return self.class_token_of(images) if pool == "token" else self.pool_map(self(images), pool)

    def map_and_pooled(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to what `forward` and `pooled` give, in one pass but for the token."""
        map_ = self(images)
        return map_, self.class_token_of(images) if self.pool == "token" else self.pool_map(map_)

    def pool_map(self, map_: Tensor, pool: Pool | None = None) -> Tensor:
        """Map features of any stage ``[B, W, h, w]`` to vectors ``[B, W]``, in the way chosen or in another."""
        pool = pool or self.pool
        pooling = POOLINGS[pool] if pool in POOLINGS else self.get_submodule(GEM)
        vectors: Tensor = pooling(map_)
        return vectors

    def pool_by(self, pool: Pool) -> Self:
        """Choose how the last map becomes one vector.

        Parameters
        ----------
        pool
            ``max`` or ``avg`` over the map, ``gem`` for the generalised mean with a p that is learned, or ``token`` for
            the class token.

        Raises
        ------
        HiertaxError
            If it is ``token``, and the network has none.
        """
        if pool == "token" and not self.has_class_token:
            raise HiertaxError(
                f"`pool` token: {self.name} has no class token; leave it out, or name a `backbone` such as vit_b_16"
            )
        if pool == "gem" and not hasattr(self, GEM):
            self.add_module(GEM, GeneralisedMean())
        self.pool = pool
        return self

    def parameter_blocks(self) -> list[list[str]]:
        """Return the names of the parameters of each block, from the first that images pass to the last."""
        parts = (child for name, child in self.named_children() if name != GEM)
        return group_by_block(self.named_network_parameters(), parts_of(parts))

    def named_network_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters and their names, but for those of a pooling."""
        return (pair for pair in self.named_parameters() if not pair[0].startswith(f"{GEM}."))

    def learn_last(self, count: int) -> Self:
        """Let only the last blocks, and the pooling, learn; those before keep weights and running statistics.

        Raises
        ------
        HiertaxError
            If there are fewer blocks.
        """
        blocks = self.parameter_blocks()
        if count > len(blocks):
            raise HiertaxError(
                f"`train_blocks` {count}: {self.name} has {len(blocks)} blocks; give fewer, or leave it out"
            )
        resting = set(chain.from_iterable(blocks[: len(blocks) - count]))
        for name, parameter in self.named_parameters():
            if name in resting:
                parameter.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Take part in learning, or not; what does not learn stays as in answering: it counts no batch's statistics."""
        super().train(mode)
        if mode:
            for part in chain(resting_parts(self), batch_norms(self) if self.keeps_statistics else ()):
                part.eval()
        return self

    def published_weights(self) -> dict[str, Tensor]:
        """Return the ImageNet weights that the library publishes; a classifier among them does no harm.

        Raises
        ------
        HiertaxError
            If there are none, or they cannot be downloaded.
        """
        raise HiertaxError(f"`weights` imagenet: there are none for {self.name}; give `weights` a file")

    def adapted(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights that do not fit as they are, such as position embeddings of another image size, made to fit.

        What cannot be made to fit is returned as it is.
        """
        return state

    def is_classifiers(self, tensor: str) -> bool:
        """Whether a tensor of the library's network, by its name, is of the classifier, which the backbone lacks."""
        return tensor.partition(".")[0] not in dict(self.library_network.named_children())

    def last_widths(self, count: int) -> tuple[int, ...]:
        """Return the number of channels of the last `count` maps.

        Raises
        ------
        HiertaxError
            If the network gives fewer.
        """
        if len(self.widths) < count:
            maps = "one feature map" if len(self.widths) == 1 else f"{len(self.widths)} feature maps"
            raise HiertaxError(f"`backbone` {self.name}: gives {maps} where {count} are needed; try resnet50")
        return self.widths[-count:]
