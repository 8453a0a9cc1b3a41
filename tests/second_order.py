"""What tests of second-order methods share: inputs of linear maps, and their Hessians."""

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from experiments import EMBEDDED
from transformers import PreTrainedModel

from memprune.config.experiment import Config, check
from memprune.methods.hessians import Curvature, curvature_of
from memprune.models.families import FAMILIES
from memprune.models.manifest import Manifest
from memprune.variants.floats import to_float32
from memprune.variants.weights_of_variant import weights_of_variant


@torch.inference_mode()
def inputs_of_maps(model: PreTrainedModel, tokens: np.ndarray) -> Mapping[str, torch.Tensor]:
    """What goes into each matrix' linear map in transformers, by its module's name: float64, rows × input."""
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.__setitem__(name, inputs[0].flatten(0, -2).double())
        )
        for name, module in model.named_modules()
        if getattr(module, "weight", None) is not None and module.weight.ndim == 2
        if not isinstance(module, torch.nn.Embedding)
    ]
    model(input_ids=torch.from_numpy(tokens.astype(np.int64)))
    for hook in hooks:
        hook.remove()
    return seen


def experiment(strategy: dict) -> Config:
    """The embedded experiment with one strategy."""
    return check(copy.deepcopy(EMBEDDED) | {"strategies": {"s": strategy}}, "my.yaml")


def dampened(inputs: np.ndarray) -> np.ndarray:
    """The Hessian of outputs' squared error over rows of inputs, float64, with the published dampening."""
    hessian = 2 / len(inputs) * inputs.T @ inputs
    hessian[np.diag_indices(len(hessian))] += np.diag(hessian) == 0
    return hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(len(hessian))


def random_inputs(seed: int, inputs: int, dead: int = 0) -> np.ndarray:
    """Rows of correlated inputs, the first `dead` of which are always zero."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(4 * inputs, inputs)) @ generator.normal(size=(inputs, inputs)) / inputs**0.5
    rows[:, :dead] = 0
    return rows


def curvature(rows: np.ndarray) -> Curvature:
    """What memprune makes of the Hessian over rows of inputs."""
    return curvature_of(torch.from_numpy(2 / len(rows) * rows.T @ rows).float(), "it")


def weights_after(manifest: Manifest, changes: list[Path]) -> dict[str, np.ndarray]:
    """Every matrix of a variant, float64, output × input."""
    weights = weights_of_variant(manifest, changes)
    stored = {m.name: to_float32(weights.bits(m.name), manifest.dtype) for m in manifest.matrices}
    input_first = FAMILIES[manifest.architecture.family].input_first
    return {name: (w.T if input_first else w).astype(np.float64) for name, w in stored.items()}


def inputs_of_matrix(seen: dict[str, torch.Tensor], matrix: str) -> np.ndarray:
    """The inputs of a matrix among those that transformers' modules have seen."""
    own = matrix.removesuffix(".weight")
    return next(inputs.numpy() for name, inputs in seen.items() if name.endswith(own))
