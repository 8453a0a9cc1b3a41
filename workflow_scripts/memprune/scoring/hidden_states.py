"""The hidden states of texts, layer by layer: what scores, and all else that asks a model, begin with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from memprune.models.architecture import Architecture
from memprune.scoring.decoder import Embedding, Head, Layer, embed, leave, run_layer
from memprune.scoring.logits import Measure, measure_rows
from memprune.scoring.rotations import rotations_of


@dataclass(frozen=True)
class VariantModel:
    """A model as scoring uses it: `embedding`, `layers` and `head` give its weights, in memory or read anew.

    `block_tokens` go through a layer before the next one is asked for; one batch if 0, the model resident.
    `not_finite` reads the files again and names the tensors with infinite weights or such as are no numbers.
    """

    architecture: Architecture
    dtype: torch.dtype
    device: torch.device
    embedding: Callable[[], Embedding]
    layers: Callable[[], Iterator[Layer]]
    head: Callable[[], Head]
    not_finite: Callable[[], list[str]]
    block_tokens: int

    def measured(
        self, block: Sequence[torch.Tensor], targets: Sequence[np.ndarray], measure: Measure
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """What `measure` says of some tokens of each text of some batches: see `forced_pass.Model`."""
        # The last token of a text is only predicted; what predicts a token is the state of the one before it.
        hidden = hidden_states(self, [ids[:, :-1] for ids in block], [at[0] - 1 for at in targets])
        head = self.head()
        for states, ids, at in zip(hidden, block, targets, strict=True):
            if len(at) < states.shape[1]:
                states = states[:, at - at[0]]
            rows = leave(states.flatten(0, 1), head, self.architecture)
            yield measure_rows(measure, rows, ids[:, at].flatten(), head)


@torch.inference_mode()
def hidden_states(
    model: VariantModel, block: Sequence[torch.Tensor], first: Sequence[int] | None = None
) -> list[torch.Tensor]:
    """The states that leave a model's last layer, before its last norm: texts × tokens × hidden each.

    `block` is some batches of token ids, each texts × tokens, which go through the layers together: each
    layer is asked for once. Of each batch the states of the tokens from `first` on are given (None: of all);
    those before are not computed in the last layer.
    """
    a, device = model.architecture, model.device
    embedding = model.embedding()
    hidden = [embed(tokens.to(device), embedding, a) for tokens in block]
    del embedding  # a streamed model's parts are dropped before the next one is read
    lengths = {states.shape[1] for states in hidden}
    rotations = {length: rotations_of(a, length, model.dtype, device) for length in lengths}
    for number, layer in enumerate(model.layers(), start=1):
        for i, states in enumerate(hidden):
            length = states.shape[1]
            kept = length - first[i] if first and number == a.layers else length
            hidden[i] = run_layer(states, layer, a, rotations[length], kept)
        del layer
    return hidden
