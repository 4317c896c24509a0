"""The page of a server, with what there is to know about its model; its script and style are files of this package."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final, NamedTuple

from trainer.serve.answers import Answerer, depth_told, fixed_told
from trainer.serve.limits import ServingLimits
from trainer.serve.photograph import formats

_FILES = files("trainer.serve") / "static"


class Static(NamedTuple):
    """A file that is served as it is."""

    content: bytes
    media_type: str


STATIC: Final = {
    name: Static((_FILES / name).read_bytes(), media_type)
    for name, media_type in (("page.css", "text/css"), ("page.js", "text/javascript"))
}  # all that is served by name: no name leads to the disk


def about(answerer: Answerer, limits: ServingLimits) -> dict[str, Any]:
    """Return what there is to know of a model and its server, as plain JSON values; no path of this machine."""
    model, hierarchy = answerer.model, answerer.model.hierarchy
    return {
        "name": model.run.absolute().name,
        "root": hierarchy.root,
        "levels": [{"name": level.name, "labels": list(level.labels)} for level in hierarchy.levels],
        "classes": list(hierarchy.classes),
        "method": model.config.method,
        "backbone": model.config.backbone,
        "epoch": model.epoch,
        "image_size": model.config.image_size,
        "calibrated": model.answering.is_calibrated,
        "depth_rule": depth_told(model.answering),
        "fixed": fixed_told(model.answering) or None,
        "audiences": [asdict(audience) for audience in answerer.audiences.values()],
        "maps": answerer.no_maps is None,
        "no_maps": answerer.no_maps,
        "limits": {
            "bytes": limits.body,
            "pixels": limits.pixels,
            "seconds": limits.seconds,
            "at_once": limits.at_once,
            "formats": list(formats()),
        },
    }


def page(answerer: Answerer, limits: ServingLimits) -> str:
    """Return the page; all text is escaped."""
    import jinja2

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = env.from_string((_FILES / "page.html.jinja").read_text(encoding="utf-8"))
    unknown = answerer.model.answering.unknown_threshold is not None
    return template.render(about(answerer, limits), given=_given(answerer), unknown=unknown) + "\n"


def _given(answerer: Answerer) -> dict[str, Any] | None:
    """Return the depth that the model was given, if any, as far as the page can follow it: along the likeliest path."""
    own = answerer.model.answering
    if own.rule != "path" or (own.confidence is None and own.served is None):
        return None
    return {"name": None, "said": depth_told(own), "confidence": own.confidence, "served": own.served}
