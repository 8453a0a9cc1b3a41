"""A variant that transformers computes: its class of the model, with the weights of the variant's chain.

Always resident, and slower than the decoder of ours. Nothing of a text's later tokens may change what is said
of earlier ones: a model that is not causal is refused.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel

from memprune.errors import UserError, as_one_line
from memprune.models.manifest import Manifest
from memprune.models.model_files import CONFIG
from memprune.models.transformers_class import build
from memprune.models.weights import BITS
from memprune.scoring.batches import Batch
from memprune.scoring.logits import Measure, measure_logits
from memprune.scoring.read_tensor import names_not_finite, read_stored
from memprune.store.fingerprints import unchanged
from memprune.variants.weights_of_variant import Weights, weights_of_variant

LOGITS = 2**27  # logits of one call at most, if it is not of one text: half a GB in float32
PROBED, SHARED = 16, 12  # tokens of the texts that show whether a model is causal, and how many are alike


@dataclass(frozen=True)
class TransformersModel:
    """A model for `forced_pass`; see `forced_pass.Model`. `net` is transformers' own."""

    net: PreTrainedModel
    vocabulary: int
    dtype: torch.dtype
    device: torch.device
    weights: Weights
    block_tokens: int = 0

    def not_finite(self) -> list[str]:
        """The names of tensors that have a weight that is infinite or not a number."""
        tensors = self.weights.tensors
        return names_not_finite(self.weights, [name for name in tensors if tensors[name].dtype in BITS])

    def measured(
        self, block: Sequence[torch.Tensor], targets: Sequence[np.ndarray], measure: Measure
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """What `measure` says of some tokens of each text of some batches: see `forced_pass.Model`."""
        for ids, at in zip(block, targets, strict=True):
            first = int(at[0])
            texts = max(1, LOGITS // ((ids.shape[1] - first) * self.vocabulary))
            found = []
            for some in ids.split(texts):
                logits = self.logits(some[:, :-1], first - 1)[:, at - first]
                found += measure_logits(measure, logits.flatten(0, 1), some[:, at].flatten())
            yield tuple(map(torch.cat, zip(*found, strict=True)))

    def logits(self, ids: torch.Tensor, first: int) -> torch.Tensor:
        """The logits after the tokens of texts (texts × tokens) from `first` on: texts × … × vocabulary."""
        kept = ids.shape[1] - first
        asked = {"logits_to_keep": kept} if takes(self.net, "logits_to_keep") else {}
        return self.net(input_ids=ids, use_cache=False, **asked).logits[:, -kept:]

    @torch.inference_mode()
    def decode(self, batch: Batch, known: np.ndarray) -> np.ndarray:
        """The tokens of a batch of texts, all but the first `known[i]` of each decoded greedily.

        By transformers' `generate`, the texts of which as many tokens are known together. Raises UserError
        where a logit is not finite.
        """
        decoded, length = batch.tokens.copy(), batch.tokens.shape[1]
        for start in np.unique(known[known < length]):
            own = np.flatnonzero(known == start)
            ids = torch.from_numpy(decoded[own, :start].astype(np.int64)).to(self.device)
            written = self.net.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=GenerationConfig(do_sample=False, max_new_tokens=int(length - start)),
                logits_processor=LogitsProcessorList([check_logits]),
            )
            decoded[own] = written.cpu().numpy()
        return decoded


def check_logits(_: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The logits of a next token; raises UserError where one is not a number, or all are infinite."""
    if torch.isnan(logits).any() or torch.isinf(logits.amax(1)).any():
        raise UserError("logits: found one that is not finite, expected finite numbers")
    return logits


def takes(net: PreTrainedModel, argument: str) -> bool:
    """Whether a model's forward pass takes an argument of this name."""
    return argument in inspect.signature(net.forward).parameters


@dataclass(frozen=True)
class Reader:
    """A tensor of a variant, read when all of it is asked for, as those of safetensors files are."""

    weights: Weights
    name: str

    def __getitem__(self, _: object) -> torch.Tensor:
        return read_stored(self.weights, self.name)


def load_through_transformers(
    manifest: Manifest, changes: Sequence[Path], dtype: torch.dtype, device: torch.device
) -> TransformersModel:
    """The model of a manifest after a chain of changes, ready to score.

    Raises UserError when a change is of other weights, when weights or configuration are not those of the
    manifest, and for a model that transformers cannot compute, or that is not causal.
    """
    print(
        f"transformers computes this model ({manifest.architecture.family}), slower than the decoder of ours",
        flush=True,
    )
    configuration = Path(manifest.folder) / CONFIG
    with unchanged({**manifest.weights, configuration: manifest.hashes[CONFIG]}):
        weights = weights_of_variant(manifest, changes)
        state = {name: Reader(weights, name) for name in weights.tensors}
        net = build(manifest.folder, state, dtype, device)
    net.generation_config = GenerationConfig()  # what is in files says how to sample, and when to stop
    model = TransformersModel(net, manifest.vocabulary, dtype, device, weights)
    check_causal(model)
    return model


@torch.inference_mode()
def check_causal(model: TransformersModel) -> None:
    """Raise UserError where tokens change what is said of those before them, or nothing can be computed."""
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, model.vocabulary, (2, PROBED)))
    ids[1, :SHARED] = ids[0, :SHARED]
    try:
        one, other = model.logits(ids.to(model.device), 0)[:, :SHARED].float()
        alone = model.logits(ids[:1, :SHARED].to(model.device), 0)[0].float()
    except Exception as error:  # whatever a class of theirs raises
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError(f"transformers cannot compute it: {as_one_line(error)}") from None
    unit = torch.finfo(model.dtype).eps * one.abs().max()
    # Texts of another length are multiplied in other pieces, which rounds otherwise.
    if (one - other).abs().max() > unit or (one - alone).abs().max() > 100 * unit:
        raise UserError(
            "found a model whose later tokens change what it says of earlier ones, expected a causal one"
        )
