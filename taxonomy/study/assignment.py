"""Who sees which images, and in which order the options stand: the design, and what it loses."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.errors import HiertaxError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Mode = Literal["balanced", "random"]
MODES: Final = ("balanced", "random")


def draw_images(lineages: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Draw images, each taxon of each level in proportion to the images that it has.

    Systematic sampling: the images stand in the order of the tree, siblings and images in random order, and every
    N/count-th is taken from a random start. A taxon with a share of s images gets floor(s) or floor(s) + 1 or so.

    Parameters
    ----------
    lineages
        int64 ``[N, L]``: for each image its label index at the levels to be stratified by, coarsest first.
    count
        How many to draw, N at most.

    Returns
    -------
    int64 ``[count]``: positions of images, in random order, which tells nothing about what they show.

    Raises
    ------
    HiertaxError
        If there are fewer images.
    """
    total = len(lineages)
    if not 1 <= count <= total:
        raise HiertaxError(f"`stimuli` {count}: there are {total} images to draw from; ask for 1 to {total}")
    shuffled = rng.permutation(total)
    keys = [rng.permutation(column.max() + 1)[column] for column in lineages[shuffled].T]
    ordered = shuffled[np.lexsort(keys[::-1])]
    places = np.floor((np.arange(count) + rng.random()) * total / count).astype(np.int64)
    return rng.permutation(ordered[np.minimum(places, total - 1)])


def assign(strata: ArrayLike, participants: int, per_person: int, mode: Mode, rng: np.random.Generator) -> IntArray:
    """Return which images each participant sees, in the order in which they are shown.

    ``random`` draws for each person anew, as the paper did. ``balanced`` deals a shuffled deck of all images, and a
    new one where it ends; what a person holds already goes to the end of the new deck. So nobody sees an image twice,
    and the numbers of raters of any two images differ by 1 at most. In a deck the images of a stratum lie evenly
    apart, so that each person sees many strata.

    Parameters
    ----------
    strata
        Integers ``[I]``: the stratum (as family) of each image.

    Returns
    -------
    int64 ``[participants, per_person]``: indices of images, none twice in a row.

    Raises
    ------
    HiertaxError
        If a person would have to see an image twice.
    """
    groups = np.asarray(strata, dtype=np.int64)
    if not 1 <= per_person <= len(groups):
        raise HiertaxError(
            f"`per_person` {per_person}: the study has {len(groups)} images and nobody sees one twice; "
            f"ask for 1 to {len(groups)}"
        )
    if mode == "random":
        rows = [rng.permutation(len(groups))[:per_person] for _ in range(participants)]
        return np.array(rows, dtype=np.int64).reshape(participants, per_person)
    deck = _deck(groups, rng)
    dealt = np.empty((participants, per_person), dtype=np.int64)
    for person in range(participants):
        hand, deck = deck[:per_person], deck[per_person:]
        if len(hand) < per_person:
            fresh = _deck(groups, rng)
            held = np.isin(fresh, hand)
            fresh = np.concatenate([fresh[~held], fresh[held]])
            missing = per_person - len(hand)
            hand, deck = np.concatenate([hand, fresh[:missing]]), fresh[missing:]
        dealt[person] = rng.permutation(hand)
    return dealt


def option_orders(shape: tuple[int, int], options: int, *, shuffled: bool, rng: np.random.Generator) -> IntArray:
    """Return the order of the options for each item, int64 ``[*shape, options]``: the option at each place."""
    fixed = np.broadcast_to(np.arange(options), (*shape, options))
    return rng.permuted(fixed, axis=-1) if shuffled else fixed.copy()


def raters(assigned: IntArray, images: int) -> IntArray:
    """Return how many people see each image, int64 ``[images]``."""
    return np.bincount(assigned.ravel(), minlength=images)


def expected_losses(images: int, participants: int, per_person: int, mode: Mode, least: int) -> tuple[float, float]:
    """Return how many images, and how many responses to them, fall below `least` raters if everybody answers all.

    Of ``random`` these are expectations: raters of an image ~ Binomial(participants, per_person / images).
    """
    from scipy import stats

    if mode == "balanced":
        each, more = divmod(participants * per_person, images)
        few = (images - more) * (each < least)
        fewer = more * (each + 1 < least)
        return float(few + fewer), float(few * each + fewer * (each + 1))
    below = np.arange(least)
    chance = stats.binom.pmf(below, participants, per_person / images)
    return float(images * chance.sum()), float(images * (below * chance).sum())


def _deck(strata: IntArray, rng: np.random.Generator) -> IntArray:
    """Return all images in a random order in which those of a stratum lie evenly apart."""
    shuffled = rng.permutation(len(strata))
    groups = strata[shuffled]
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = (rank + rng.random(len(sizes))[groups]) / sizes[groups]
    return shuffled[np.argsort(place, kind="stable")]
