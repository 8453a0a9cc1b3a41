"""A model ready to be scored, by the one of two ways that its manifest says."""

from collections.abc import Sequence
from pathlib import Path

import torch

from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.outline import Outline
from memprune.scoring.forced_pass import Model
from memprune.scoring.variant_model import load_variant


def load_model(
    manifest: Manifest,
    changes: Sequence[Path],
    dtype: torch.dtype,
    device: torch.device,
    block_tokens: int = 0,
) -> Model:
    """The model of a manifest after a chain of changes; streamed by the decoder if `block_tokens` is given.

    Raises UserError for what cannot be loaded, and for a model that transformers computes and that is to be
    streamed.
    """
    if not isinstance(manifest.architecture, Outline):
        return load_variant(manifest, changes, dtype, device, block_tokens)
    if block_tokens:
        raise UserError(
            f"evaluation.residency: found a {manifest.architecture.family} model that is to be streamed; "
            "transformers computes it, all weights at once; try residency: resident, precision: bfloat16, or "
            "a device with more memory"
        )
    from memprune.scoring.transformers_pass import load_through_transformers  # other models do without

    return load_through_transformers(manifest, changes, dtype, device)
