"""Tiny models with calibration text: what memprune gathers and prunes, and what transformers' layers see."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from calibration_text import write_calibration
from tiny_models import reference_model

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.methods import prune
from memprune.methods.asked import Asked
from memprune.methods.gather_activations import gather_activations
from memprune.models.manifest import Manifest
from memprune.variants.masks import read_mask

TOKENS = np.random.default_rng(1).integers(0, 250, (6, 40))


@dataclass(frozen=True)
class Calibrated:
    """A tiny model, perhaps after a mask, with its calibration text and the activations gathered on it."""

    manifest: Manifest
    mask: Path | None
    text: Path
    activations: Path

    @property
    def before(self) -> list[Path]:
        return [self.mask] if self.mask else []

    def asked(self, level: float, **strategy) -> Asked:
        """What a strategy of these settings asks for."""
        checked = PruneStrategy(levels=[level], after="other@0.5" if self.mask else None, **strategy)
        places = {"activations": self.activations, "calibration": self.text}
        inputs = {name: places[name] for name in checked.inputs if name in places}
        return Asked(self.manifest, checked.settings, level, "tested", self.before, inputs, threads=2)

    def kept(self, level: float, **strategy) -> dict[str, np.ndarray]:
        """What such a strategy keeps of each matrix in scope, in the shape of the weights as stored."""
        path = self.activations.with_name("change.safetensors")
        prune.make(self.asked(level, **strategy), path)
        return read_mask(path)

    def weights(self) -> dict[str, np.ndarray]:
        """|W| of each matrix, output × input, float64."""
        model = reference_model(Path(self.manifest.folder), self.mask, "float32")
        return {
            matrix.name: turned(module_of(model, matrix.name).weight.detach().abs().double().numpy(), model)
            for matrix in self.manifest.matrices
        }

    def squares(self) -> dict[str, np.ndarray]:
        """The sum of squares of each input of each matrix over all tokens, seen in transformers' model."""
        model = reference_model(Path(self.manifest.folder), self.mask, "float32")
        sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(()))
        for matrix in self.manifest.matrices:

            def see(module, inputs, name=matrix.name):
                rows = inputs[0].double().flatten(0, -2)
                sums[name] = sums[name] + rows.square().sum(0).numpy()

            module_of(model, matrix.name).register_forward_pre_hook(see)
        with torch.inference_mode():
            model(input_ids=torch.from_numpy(TOKENS))
        return dict(sums)

    def scores(self) -> dict[str, np.ndarray]:
        """Wanda's scores by its paper's equation, output × input, float64."""
        squares = self.squares()
        return {name: weights * np.sqrt(squares[name]) for name, weights in self.weights().items()}


def module_of(model: torch.nn.Module, matrix: str) -> torch.nn.Module:
    """The linear map that a matrix is the weight of."""
    modules, name = dict(model.named_modules()), matrix.removesuffix(".weight")
    return modules.get(name) or modules[f"{model.base_model_prefix}.{name}"]


def turned(matrix, model):
    """A matrix as stored as output × input, or back."""
    return matrix.T if model.config.model_type == "gpt2" else matrix


def calibrate(manifest: Manifest, folder: Path, mask: Path | None = None) -> Calibrated:
    """Write calibration text and gather the activations of a model, perhaps after a mask."""
    folder.mkdir(exist_ok=True)
    calibrated = Calibrated(manifest, mask, folder / "text.parquet", folder / "activations.safetensors")
    write_calibration(calibrated.text, TOKENS, manifest.tokenizer)
    inputs = {"calibration": calibrated.text}
    gather_activations(Asked(manifest, {}, 0.0, "dense", calibrated.before, inputs), calibrated.activations)
    return calibrated


def check_lowest_go(goes: np.ndarray, scores: np.ndarray, count: int) -> None:
    """Of each row exactly `count` go, and none that stays has a lower score, but for near ties."""
    np.testing.assert_array_equal(goes.sum(axis=1), count)
    highest = np.where(goes, scores, -np.inf).max(axis=1)
    lowest = np.where(goes, np.inf, scores).min(axis=1)
    assert (highest <= lowest * (1 + 1e-4) + 1e-12).all()
