"""Features of classes whose true hierarchy is known."""

import numpy as np

from taxonomy.clustering.features import Features, make_features


def planted_tree(seed: int = 0, *, samples: int = 20, noise: float = 0.5) -> tuple[Features, np.ndarray]:
    """Features of 4 x 3 x 4 classes in 32 dimensions, and the true group of each at both upper levels."""
    generator = np.random.default_rng(seed)
    top = generator.normal(size=(4, 32))
    middle = top.repeat(3, axis=0) + 0.7 * generator.normal(size=(12, 32))
    means = middle.repeat(4, axis=0) + 0.4 * generator.normal(size=(48, 32))
    features = means.repeat(samples, axis=0) + noise * generator.normal(size=(48 * samples, 32))
    names = [f"class {i:02}" for i in range(48)]
    truth = np.stack([np.arange(48) // 12, np.arange(48) // 4], axis=1)
    return make_features(features, np.arange(48).repeat(samples), names, {"dataset": "planted", "root": "thing"}), truth


def few_classes(count: int = 6, samples: int = 4, seed: int = 0) -> Features:
    """Features of a few unrelated classes in 8 dimensions."""
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(count, 8))
    features = means.repeat(samples, axis=0) + 0.3 * generator.normal(size=(count * samples, 8))
    return make_features(features, np.arange(count).repeat(samples), [f"c{i}" for i in range(count)])
