"""One image classifier that answers at every level of a label hierarchy.

`train` trains one; `load` gives what was trained as a `Model`, with which to predict, evaluate, explain, and get logits
and features.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.api.model import Model as Model
    from trainer.api.model import evaluate as evaluate
    from trainer.api.model import explain as explain
    from trainer.api.model import load as load
    from trainer.config import Config as Config
    from trainer.evaluation.scores import Scores as Scores
    from trainer.explanation.explain import Explanation as Explanation
    from trainer.inference.answers import Answers as Answers
    from trainer.runs.folder import Run as Run
    from trainer.runtime.progress import Reporter as Reporter
    from trainer.training.start import resume as resume
    from trainer.training.start import train as train

_HOMES = {
    "Answers": "trainer.inference.answers",
    "Config": "trainer.config",
    "Explanation": "trainer.explanation.explain",
    "Model": "trainer.api.model",
    "Reporter": "trainer.runtime.progress",
    "Run": "trainer.runs.folder",
    "Scores": "trainer.evaluation.scores",
    "evaluate": "trainer.api.model",
    "explain": "trainer.api.model",
    "load": "trainer.api.model",
    "resume": "trainer.training.start",
    "train": "trainer.training.start",
}

__all__ = [
    "Answers", "Config", "Explanation", "Model", "Reporter", "Run", "Scores", "evaluate", "explain", "load", "resume",
    "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use: ``import trainer`` alone loads neither torch nor click."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'trainer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
