"""The hidden states of texts, layer by layer: what scores, and all else that asks a model, begin with."""

from collections.abc import Sequence

import torch

from memprune.scoring.decoder import embed, run_layer
from memprune.scoring.rotations import rotations_of
from memprune.scoring.variant_model import VariantModel


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
