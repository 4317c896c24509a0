"""How good predicted labels are: one function per score, all scores in one pass with intervals, tables of taxa.

Definitions and their sources are in docs/methods.md, "Metrics".
"""

from taxonomy.metrics.calibration import BINS, Binned, Chance, binned, calibration_error, error_by_chance
from taxonomy.metrics.estimates import CONFIDENCE, RESAMPLES, Difference, Estimate, Interval, differences, estimates
from taxonomy.metrics.labels import (
    TOPS,
    NodeSet,
    PrecisionRecall,
    average_hierarchical_distance,
    distances_of_top,
    full_path_accuracy,
    hierarchical_precision_recall,
    inconsistent,
    lca_f1,
    lca_height,
    level_accuracy,
    majority_baseline,
    mistake_severity,
    tree_inconsistency,
    tree_induced_error,
    weighted_average_accuracy,
)
from taxonomy.metrics.measures import Measure
from taxonomy.metrics.nodes import NodeScores, score_nodes
from taxonomy.metrics.predictions import Predictions
from taxonomy.metrics.scores import LabelScores, LevelScores, score_labels, score_predictions
from taxonomy.metrics.taxa import confusions, taxa_table

__all__ = [
    "BINS", "CONFIDENCE", "RESAMPLES", "TOPS", "Binned", "Chance", "Difference", "Estimate", "Interval",
    "LabelScores", "LevelScores", "Measure", "NodeScores", "NodeSet", "PrecisionRecall", "Predictions",
    "average_hierarchical_distance", "binned", "calibration_error", "confusions", "differences", "distances_of_top",
    "error_by_chance", "estimates", "full_path_accuracy", "hierarchical_precision_recall", "inconsistent", "lca_f1",
    "lca_height", "level_accuracy", "majority_baseline", "mistake_severity", "score_labels", "score_nodes",
    "score_predictions", "taxa_table", "tree_inconsistency", "tree_induced_error", "weighted_average_accuracy",
]  # fmt: skip
