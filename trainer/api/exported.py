"""An exported ONNX file that answers as the run it was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import HiertaxError
from trainer.api.model import Model
from trainer.explanation.explain import Explanation
from trainer.export.about import About, seal, wishes_told
from trainer.export.write import need_onnx
from trainer.inference.answering.choose import uncalibrated
from trainer.inference.answering.wishes import Wishes
from trainer.inference.batches import ImageLike, Images
from trainer.models.backbones.interface import IMAGENET, Preprocessing
from trainer.models.network import Network
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter, reporter_of


class OnnxNetwork(Network):
    """A network that onnxruntime computes; it takes pixels from 0 to 255, since it normalises them itself."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session

    @property
    def preprocessing(self) -> Preprocessing:
        """How its images are normalised here: not at all."""
        return replace(IMAGENET, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Map pixels ``[B, 3, S, S]`` to K logits ``[B, C_k]``, coarsest level first."""
        pixels = np.ascontiguousarray(inputs.round().to(torch.uint8).numpy())
        return [torch.from_numpy(level) for level in self.session.run(None, {"images": pixels})]


class ExportedModel(Model):
    """A model in an ONNX file; it answers by the same methods as a run."""

    @classmethod
    def open(cls, file: Path, device: str = "auto") -> Self:
        """Load a file that `hiertrain export` wrote; it is computed on the CPU.

        Raises
        ------
        HiertaxError
            If it is not there, no such file, truncated or changed, or another device than the CPU is asked for.
        """
        need_onnx()
        if device not in ("auto", "cpu"):
            raise HiertaxError(f"`device` {device}: an ONNX file is computed on the cpu here; leave it out")
        about, session = _read(file)
        config = replace(about.config, device="cpu", precision="fp32")
        compute = Compute(torch.device("cpu"))
        return cls(file, about.hierarchy, config, about.epoch, OnnxNetwork(session), compute, about.answering)

    def seal(self) -> str:
        """Return the hash that the file carries."""
        return str(cast(OnnxNetwork, self.network).session.get_modelmeta().custom_metadata_map["sha256"])

    def wishing(self, wishes: Wishes, reporter: Reporter | bool | None = None) -> Self:
        """Return the same model, answering as is wished for, calibrated as the run was when it was exported.

        Without any wish it answers as it was exported, which is said where that is not down to the class.

        Raises
        ------
        HiertaxError
            If it would take the images that the run was validated on, which the file does not hold.
        """
        if wishes == Wishes():
            if told := wishes_told(self.answering):
                reporter_of(reporter).say(f"{self.run}: answers as it was exported: {told}")
            return self
        for name in ("target_accuracy", "unknown"):
            if getattr(wishes, name) is not None:
                raise HiertaxError(f"`{name}`: {self.run} holds no validation images to find it by; ask the run itself")
        answering, notes, _ = uncalibrated(self.hierarchy, wishes)
        own = self.answering
        if wishes.is_cautious and not own.is_calibrated:
            notes = (*notes, f"{self.run}: was exported without a calibration and may be surer than it should be")
        for note in notes:
            reporter_of(reporter).say(note)
        calibrated = replace(answering, temperatures=own.temperatures, path_weights=own.path_weights)
        return replace(self, answering=calibrated)

    def features(self, images: Images, *, reporter: Reporter | bool | None = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Refuse: the file gives logits alone."""
        raise HiertaxError(f"{self.run}: gives logits alone; ask the run itself for features")

    def explain(self, image: ImageLike, **_: Any) -> Explanation:  # noqa: ARG002
        """Refuse: the file gives no feature maps."""
        raise HiertaxError(f"{self.run}: gives logits alone, no feature maps; ask the run itself where it looked")

    def export(self, path: str | Path, **_: Any) -> Path:  # noqa: ARG002
        """Refuse: it is one already."""
        raise HiertaxError(f"{self.run}: is an exported file already; copy it, or export the run itself")

    def report(self, path: str | Path, **_: Any) -> Path:  # noqa: ARG002
        """Refuse: the file holds neither the log nor what maps are made of."""
        raise HiertaxError(f"{self.run}: has neither a log nor maps to report; ask the run itself")


def _read(file: Path) -> tuple[About, Any]:
    import onnx
    import onnxruntime
    from google.protobuf.message import DecodeError

    try:
        content = file.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise HiertaxError(f"{file}: cannot be read: {error.strerror}") from None
    except DecodeError:
        raise HiertaxError(f"{file}: no ONNX file, or truncated; export it anew") from None
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    about = About.from_metadata(metadata, file)
    if metadata.get("sha256") != seal(metadata, model.graph.SerializeToString(deterministic=True)):
        raise HiertaxError(f"{file}: was changed after it was written; export it anew")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of onnxruntime's own, which have no common base
        raise HiertaxError(f"{file}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from None
    if [out.shape[-1] for out in session.get_outputs()] != list(about.hierarchy.sizes):
        raise HiertaxError(f"{file}: its outputs do not fit its hierarchy; export it anew")
    return about, session
