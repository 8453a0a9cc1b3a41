"""Calibration texts on their way through a model, layer by layer: their hidden states lie in a file.

A method reads a layer, sees what goes into its linear maps, changes it if it likes, and lets the states go
through it, as it is then, to the next one. So a model is looked at in the memory of a layer and a batch,
however long the text is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from memprune.corpus.drawn import as_array, read_drawn
from memprune.devices import gpus
from memprune.devices.choice import choose_device
from memprune.devices.footprint import device_bytes
from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.models.manifest import Manifest
from memprune.scoring.decoder import Layer, See, embed, run_layer, unseen
from memprune.scoring.rotations import rotations_of
from memprune.scoring.variant_model import Source, find_source, read_embedding
from memprune.variants.computed_here import check_decoder
from memprune.variants.steps import Step
from memprune.variants.weights_of_variant import Weights

BATCH_TOKENS = 2048  # on every device, since sums over a batch round by its size
# The map of the decoder's layer that has the same inputs as the matrix of a role.
SEEN_AS = {"query": "query_key_value", "key": "query_key_value", "value": "query_key_value", "gate": "up"}


def seen_as(role: str) -> str:
    """By which name `see` is shown the inputs of the matrix of a role (see `run_layer`)."""
    return SEEN_AS.get(role, role)


def open_source(asked: Asked, beside: int = 0) -> Source:
    """The weights that a method stands after, in float32 on the device of its class, which is leased.

    `beside` are the bytes that the method takes there beside a layer and a batch.
    """
    manifest = asked.manifest
    check_decoder(manifest.architecture, manifest.model, f"strategies.{asked.strategy}", "calibration text")
    torch.set_num_threads(asked.threads)
    if asked.device == "cuda":
        asking = {"dtype": "float32", "batch_tokens": BATCH_TOKENS, "residency": "streamed"}
        gpus.lease(device_bytes(asked.manifest.architecture, asking) + beside)
    return find_source(asked.manifest, asked.before, torch.float32, choose_device(asked.device))


def read_texts(path: Path, manifest: Manifest) -> np.ndarray:
    """The token ids of calibration text, int32, texts × tokens.

    Raises UserError when they are of another tokenizer than the model's.
    """
    table = read_drawn(path, about=["tokenizer"])
    if table.schema.metadata[b"tokenizer"].decode() != manifest.tokenizer:
        raise UserError(
            f"{path}: found text in another tokenizer's ids than those of {manifest.model}; all models of an "
            "experiment must have one tokenizer"
        )
    return as_array(table["tokens"])


class States:
    """The hidden states of texts before a layer, float32, texts × tokens × hidden, in a temporary file.

    They begin as what tokens enter by; `see` looks at a layer's inputs, `advance` takes them through it.
    """

    def __init__(self, source: Source, tokens: np.ndarray, file: BinaryIO) -> None:
        """Of token ids, texts × tokens (integers); the file is open, to be read and written."""
        self.architecture, self.device = source.architecture, source.device
        self.texts, self.length = tokens.shape
        self.file = file
        self.rotations = rotations_of(self.architecture, self.length, torch.float32, self.device)
        embedding = read_embedding(source)
        for batch in self.batches():
            ids = torch.from_numpy(tokens[batch].astype(np.int64)).to(self.device)
            self.write(batch, embed(ids, embedding, self.architecture))

    def see(self, layer: Layer, see: See) -> None:
        """Show `see` what goes into the linear maps of a layer, batch by batch; the states stay before it."""
        for batch in self.batches():
            self.run(batch, layer, see)

    def advance(self, layer: Layer, see: See = unseen) -> None:
        """Take the states through a layer, batch by batch, and show `see` what went into its linear maps."""
        for batch in self.batches():
            self.write(batch, self.run(batch, layer, see))

    @torch.inference_mode()
    def run(self, batch: slice, layer: Layer, see: See) -> torch.Tensor:
        """The states of some texts after a layer."""
        states = self.read(batch)
        return run_layer(states, layer, self.architecture, self.rotations, self.length, see=see)

    def batches(self) -> Iterator[slice]:
        """The texts of each batch, one at least."""
        size = max(1, BATCH_TOKENS // self.length)
        for start in range(0, self.texts, size):
            yield slice(start, min(start + size, self.texts))

    def read(self, batch: slice) -> torch.Tensor:
        """The states of some texts."""
        width = self.architecture.hidden
        states = np.empty((batch.stop - batch.start, self.length, width), dtype=np.float32)
        self.file.seek(batch.start * self.length * width * states.itemsize)
        self.file.readinto(states.data.cast("B"))
        return torch.from_numpy(states).to(self.device)

    def write(self, batch: slice, states: torch.Tensor) -> None:
        """Put the states of some texts in place of those that they had."""
        own = states.cpu().numpy()
        self.file.seek(batch.start * self.length * self.architecture.hidden * own.itemsize)
        self.file.write(np.ascontiguousarray(own).data)


def with_tensors(source: Source, changed: Mapping[str, np.ndarray]) -> Source:
    """The same weights but for some tensors, given by their bits, as unsigned integers, in their shapes."""

    def steps(name: str) -> list[Step] | tuple[Step, ...]:
        if name not in changed:
            return source.weights.steps(name)
        flat = changed[name].reshape(-1)
        return [lambda part, bits: np.copyto(bits, flat[part])]

    return replace(source, weights=Weights(source.weights.tensors, steps))
