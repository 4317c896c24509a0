"""What a training ends with where it held images out: its answers calibrated on them."""

from __future__ import annotations

from taxonomy import HiertaxError
from trainer.data.samples import Samples
from trainer.inference.answering.calibrate import calibration_of, told
from trainer.inference.forward import predict_logits
from trainer.runs.calibration import checkpoint_seal
from trainer.runs.checkpoint import Checkpoint
from trainer.runs.folder import Run
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter


def calibrate_trained(run: Run, held_out: Samples, compute: Compute, reporter: Reporter) -> None:
    """Calibrate the checkpoint that answers for a run, on images that it has not learned from.

    A training is no worse for what may go wrong here; that is said, and can be done again.
    """
    try:
        reporter.say(_calibrate(run, held_out, compute))
    except HiertaxError as error:
        reporter.say(f"not calibrated: {error}")


def _calibrate(run: Run, held_out: Samples, compute: Compute) -> str:
    checkpoint = Checkpoint.load_to_answer(run.path)
    network = compute.place(checkpoint.answering())
    logits = predict_logits(network, held_out.inputs, batch_size=checkpoint.config.batch_size, compute=compute)
    calibration = calibration_of(
        checkpoint.hierarchy, logits, held_out.targets.cpu().numpy(),
        checkpoint=checkpoint_seal(run.path), images="held_out" if checkpoint.config.val_fraction else "val",
    )  # fmt: skip
    calibration.save(run.path)
    return told(checkpoint.hierarchy, calibration)
