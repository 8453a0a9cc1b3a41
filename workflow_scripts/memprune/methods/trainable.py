"""A variant as a model to differentiate: transformers' own, with the variant's weights in float32."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import Parameter, functional
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.initialization import no_init_weights

from memprune.devices import gpus
from memprune.devices.choice import choose_device, name_of
from memprune.devices.residency import free_on_gpu, free_on_host
from memprune.errors import UserError
from memprune.methods.training_memory import BATCH_TOKENS
from memprune.models.manifest import Manifest
from memprune.models.shapes import EMBEDDING, HEAD
from memprune.models.tensor_names import find_parts
from memprune.scoring.batches import cut_batches
from memprune.variants.computed_here import check_decoder
from memprune.variants.floats import to_float32
from memprune.variants.weights_of_variant import Weights, weights_of_variant

GIGA = 10**9


@dataclass(frozen=True)
class Trainable:
    """A model without dropout, and its parameters by the names of the files' tensors.

    Of a tied head both names have the one parameter, where the files have both.
    """

    model: PreTrainedModel
    parameters: dict[str, Parameter]


def take_device(device: str, threads: int, needed: int, what: str) -> torch.device:
    """A device of the class `cpu` or `cuda` with `needed` bytes free, on which sums have the same bits twice.

    Raises UserError, which begins with `what`, where it has fewer free.
    """
    torch.set_num_threads(threads)
    if device == "cuda":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # without it, cuBLAS may sum in another order
        torch.use_deterministic_algorithms(True)
        gpus.lease(needed)
    chosen = choose_device(device)
    free = free_on_host(None) if device == "cpu" else free_on_gpu(chosen)
    if needed > free:
        raise UserError(
            f"{what}: found {free / GIGA:.2f} GB free on {name_of(chosen)}, needed {needed / GIGA:.2f} GB "
            "for weights, gradients and what is kept of a batch; try shorter texts, a smaller model or a "
            "device with more memory (evaluation.device)"
        )
    return chosen


def load_trainable(manifest: Manifest, changes: Sequence[Path], device: torch.device) -> Trainable:
    """The model of a manifest after a chain of changes.

    A head that the configuration ties is the embedding, unless the files have another beside that.
    """
    check_decoder(manifest.architecture, manifest.model, f"models.{manifest.model}", "training or gradients")
    weights = weights_of_variant(manifest, changes)
    names = find_parts(manifest.architecture.family, weights.tensors)
    config = AutoConfig.from_pretrained(manifest.folder, local_files_only=True, trust_remote_code=False)
    both = EMBEDDING in names and HEAD in names
    if both and not np.array_equal(weights.bits(names[EMBEDDING]), weights.bits(names[HEAD])):
        config.tie_word_embeddings = False
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model.tie_weights()
    model.eval().to(device)
    own = dict(model.named_parameters(remove_duplicate=False))
    by_part = {part: own[name] for part, name in find_parts(manifest.architecture.family, own).items()}
    assert set(by_part) - set(names) <= ({HEAD, EMBEDDING} if config.tie_word_embeddings else set())
    parameters = {name: by_part[part] for part, name in names.items()}
    for name, parameter in parameters.items():
        parameter.data.copy_(read_numbers(weights, name))
    return Trainable(model, parameters)


def read_numbers(weights: Weights, name: str) -> torch.Tensor:
    """A tensor of a variant as float32, in its shape as stored."""
    return torch.from_numpy(to_float32(weights.bits(name), weights.tensors[name].dtype))


def add_gradients(
    model: PreTrainedModel, tokens: np.ndarray, scored: int, advance: Callable[[int], object]
) -> float:
    """Add the gradients of a mean loss to those that the parameters have, and return the loss, in nats.

    It is the mean negative log-likelihood of the last `scored` tokens of all texts (texts × tokens,
    integers). Of texts, `BATCH_TOKENS` are differentiated at one time, one text at least. `advance` is called
    with the number of texts that are done.
    """
    total = 0.0
    for batch in cut_batches(np.arange(len(tokens)), tokens, BATCH_TOKENS):
        ids = torch.from_numpy(batch.tokens.astype(np.int64)).to(model.device)
        logits = model(input_ids=ids[:, :-1], use_cache=False, logits_to_keep=scored).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, -scored:].flatten(), reduction="sum")
        loss = loss / (len(tokens) * scored)
        loss.backward()
        total += loss.item()
        advance(len(batch.rows))
    return total
