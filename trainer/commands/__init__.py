"""The command line ``hiertrain``: one file per command, each thin."""

from __future__ import annotations

from trainer.commands.cache import cache
from trainer.commands.calibrate import calibrate
from trainer.commands.compare import compare
from trainer.commands.draw import draw
from trainer.commands.evaluate import evaluate
from trainer.commands.explain import explain
from trainer.commands.export import export
from trainer.commands.extract import extract
from trainer.commands.predict import predict
from trainer.commands.report import report
from trainer.commands.reproduce import reproduce
from trainer.commands.serve import serve
from trainer.commands.train import main

for _command in (
    evaluate, compare, calibrate, predict, report, explain, export, serve, extract, reproduce, draw, cache,
):  # fmt: skip
    main.add_command(_command)

__all__ = ["main"]
