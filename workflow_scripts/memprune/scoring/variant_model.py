"""A variant in the decoder's form: the checkpoint through its changes, read slice by slice onto the device.

Resident, all weights lie on the device. Streamed, each layer is read when its turn comes and dropped after
it; a block of texts then goes through the layers together, so that a block costs one read of the checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.manifest import Manifest
from memprune.models.roles import QUERY_KEY_NORMS
from memprune.models.shapes import EMBEDDING, EMBEDDING_NORM, HEAD
from memprune.models.tensor_names import Part, find_parts
from memprune.models.weights import Tensor
from memprune.scoring.decoder import Embedding, Head, Layer, Linear, Norm, pack
from memprune.scoring.hidden_states import VariantModel
from memprune.scoring.read_tensor import names_not_finite, read_values
from memprune.store.fingerprints import unchanged
from memprune.variants.weights_of_variant import Weights, weights_of_variant


@dataclass(frozen=True)
class Source:
    """Where a variant's weights are read from, and what they become."""

    architecture: Architecture
    weights: Weights
    tensors: dict[Part, Tensor]
    names: dict[Part, str]  # in the files, and in the changes
    dtype: torch.dtype
    device: torch.device


def load_variant(
    manifest: Manifest,
    changes: Sequence[Path],
    dtype: torch.dtype,
    device: torch.device,
    block_tokens: int = 0,
) -> VariantModel:
    """The model of a manifest after a chain of changes, ready to score; streamed if `block_tokens` is given.

    Raises UserError when a change is of other weights, and when the weights' files are not those of the
    manifest: while a resident model is read, and at each pass of a streamed one.
    """
    with unchanged(manifest.weights):
        source = find_source(manifest, changes, dtype, device)
        model = partial(
            VariantModel,
            source.architecture,
            dtype,
            device,
            block_tokens=block_tokens,
            not_finite=lambda: names_not_finite(source.weights, source.names.values()),
        )
        numbers = range(source.architecture.layers)
        if not block_tokens:
            embedding = read_embedding(source)
            head = read_head(source, embedding)
            layers = [read_layer(source, number) for number in numbers]
            return model(lambda: embedding, lambda: iter(layers), lambda: head)

    def read_last() -> Head:
        """The head, which a pass asks for last: what it has read by then was all of the manifest's files."""
        with unchanged(manifest.weights):
            return read_head(source)

    return model(
        lambda: read_embedding(source), lambda: (read_layer(source, number) for number in numbers), read_last
    )


def find_source(
    manifest: Manifest, changes: Sequence[Path], dtype: torch.dtype, device: torch.device
) -> Source:
    """Find the tensors of a variant by their parts."""
    weights = weights_of_variant(manifest, changes)
    names = find_parts(manifest.architecture.family, weights.tensors)
    tensors = {part: weights.tensors[name] for part, name in names.items()}
    return Source(manifest.architecture, weights, tensors, names, dtype, device)


def read_embedding(source: Source) -> Embedding:
    """What tokens enter by."""
    positions = Part(None, "positions", "weight")
    return Embedding(
        read_tensor(source, EMBEDDING if EMBEDDING in source.tensors else HEAD),
        read_tensor(source, positions) if positions in source.tensors else None,
        read_linear(source, None, "project_in"),
        read_norm(source, None, EMBEDDING_NORM.name),
    )


def read_head(source: Source, embedding: Embedding | None = None) -> Head:
    """What hidden states leave by; a tied head is the `embedding`, read anew if that is not given.

    As in transformers, a head in the files is used even where the configuration ties it.
    """
    if HEAD in source.tensors:
        weight = read_tensor(source, HEAD)
    else:
        weight = read_tensor(source, EMBEDDING) if embedding is None else embedding.tokens
    bias = Part(None, "head", "bias")
    logits = pack(Linear(weight, read_tensor(source, bias) if bias in source.tensors else None))
    norm, projection = read_norm(source, None, "final_norm"), read_linear(source, None, "project_out")
    return Head(norm, projection, logits, source.architecture.logit_cap)


def read_layer(source: Source, number: int) -> Layer:
    """The weights of one decoder block."""
    attention_norm = read_first_norm(source, number, "attention_norm", "parallel_attention_norm")
    return Layer(
        attention_norm,
        read_query_key_value(source, number),
        *(read_head_norm(source, number, name) for name in QUERY_KEY_NORMS),
        read_linear(source, number, "output"),
        read_norm(source, number, "output_norm"),
        read_first_norm(source, number, "mlp_norm", "parallel_mlp_norm") or attention_norm,
        read_linear(source, number, "up"),
        read_linear(source, number, "gate"),
        read_linear(source, number, "down"),
        read_norm(source, number, "down_norm"),
        source.architecture.windows[number],
    )


def read_query_key_value(source: Source, number: int) -> Linear:
    """The three maps of attention as one, its rows in the decoder's order."""
    if "query_key_value" in FAMILIES[source.architecture.family].matrices.values():
        weight, bias = read_weight_and_bias(source, number, "query_key_value")
    else:
        parts = [read_weight_and_bias(source, number, name) for name in ("query", "key", "value")]
        weight = torch.cat([weight for weight, _ in parts])
        bias = None if parts[0][1] is None else torch.cat([bias for _, bias in parts])
    rows = row_order(source.architecture).to(source.device)
    return pack(Linear(weight.index_select(0, rows), None if bias is None else bias.index_select(0, rows)))


def row_order(architecture: Architecture) -> torch.Tensor:
    """Which rows of the stored query, key and value the decoder's are: heads together, pairs side by side."""
    a = architecture
    rows = torch.arange((a.heads + 2 * a.key_heads) * a.head_size).view(-1, a.head_size)
    if FAMILIES[a.family].interleaved:
        groups = rows.view(a.key_heads, -1, a.head_size)
        rows = torch.cat([groups[:, :-2].flatten(0, 1), groups[:, -2], groups[:, -1]])
    put_pairs_together(rows[: a.heads + a.key_heads], a)
    return rows.flatten()


def put_pairs_together(heads: torch.Tensor, architecture: Architecture) -> None:
    """Order what belongs to the features of heads (heads × head size) as the decoder has them, in place."""
    a = architecture
    if a.rotary is not None and not FAMILIES[a.family].pairs_together:
        turned = heads[:, : a.rotary.turned]
        turned.copy_(turned.unflatten(1, (2, -1)).transpose(1, 2).flatten(1).clone())


def read_head_norm(source: Source, number: int, name: str) -> Norm | None:
    """The norm of queries or keys, its features in the decoder's order, None without one."""
    norm = read_norm(source, number, name)
    if norm is not None:
        for values in filter(lambda values: values is not None, norm):
            put_pairs_together(values.view(-1, source.architecture.head_size), source.architecture)
    return norm


def read_linear(source: Source, number: int | None, name: str) -> Linear | None:
    """A linear map, None if the model has none of this name."""
    if Part(number, name, "weight") not in source.tensors:
        return None
    return pack(Linear(*read_weight_and_bias(source, number, name)))


def read_weight_and_bias(
    source: Source, number: int | None, name: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight, output × input, and bias of a linear map."""
    weight = read_tensor(source, Part(number, name, "weight"))
    if FAMILIES[source.architecture.family].input_first and number is not None:
        weight = weight.t().contiguous()
    bias = Part(number, name, "bias")
    return weight, read_tensor(source, bias) if bias in source.tensors else None


def read_first_norm(source: Source, number: int, *names: str) -> Norm | None:
    """The first of these norms that the model has, None without any."""
    return next(filter(None, (read_norm(source, number, name) for name in names)), None)


def read_norm(source: Source, number: int | None, name: str) -> Norm | None:
    """A norm, None if the model has none of this name."""
    weight, bias = (Part(number, name, kind) for kind in ("weight", "bias"))
    a = source.architecture
    if not a.norm_weights and name in ("attention_norm", "final_norm"):
        return Norm(None, None)
    if weight not in source.tensors:
        return None
    scale = read_tensor(source, weight)
    if FAMILIES[a.family].plus_one:
        scale = scale.float() + 1
    return Norm(scale, read_tensor(source, bias) if bias in source.tensors else None)


def read_tensor(source: Source, part: Part) -> torch.Tensor:
    """A tensor after its changes, in the computation's dtype on the device."""
    return read_values(source.weights, source.names[part], source.dtype, source.device)
