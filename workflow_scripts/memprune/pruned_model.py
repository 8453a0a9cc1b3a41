"""Load a model with its mask applied: the weights evaluated are the checkpoint times the mask."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from memprune.errors import UserError
from memprune.masks import read_mask

disable_progress_bar()  # its bars of loading and saving only fill the logs


def choose_device(device: str) -> torch.device:
    """The device of a class, `cpu` or `cuda`. Raises UserError when this machine has none of it."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "evaluation.device: found cuda, but this machine has no CUDA device; allowed: auto, cpu"
        )
    return torch.device(device)


def name_of(device: torch.device) -> str:
    """A device's name, for the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def load_pruned(folder: str | Path, mask: Path | None, dtype: str, device: torch.device) -> PreTrainedModel:
    """The causal language model in `folder` with `mask` applied, in `dtype` on `device`, ready to score.

    Safetensors only, no remote code. Raises UserError when the mask names a matrix that the model lacks.
    """
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
    )
    if mask is not None:
        apply_mask(model, read_mask(mask))
    return model.to(device).eval()


@torch.no_grad()
def apply_mask(model: PreTrainedModel, masks: dict[str, torch.Tensor]) -> None:
    """Set the pruned weights to zero; `masks` maps checkpoint names to bool tensors, True = kept."""
    parameters = dict(model.named_parameters())
    for name, kept in masks.items():
        # Checkpoints of a bare base model lack its prefix (`transformer.`, `model.`).
        own = name if name in parameters else f"{model.base_model_prefix}.{name}"
        if own not in parameters:
            raise UserError(f"mask: matrix {name} is not in the model")
        parameters[own].masked_fill_(~kept, 0)
