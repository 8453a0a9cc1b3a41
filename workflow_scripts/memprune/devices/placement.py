"""A model in its place: on a device, resident or streamed, with batches that fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from memprune.devices.batch_size import find_batch_tokens, is_out_of_memory, remember, within_memory
from memprune.devices.choice import choose_device, name_of
from memprune.devices.footprint import BATCH_TOKENS
from memprune.devices.residency import choose_block_tokens, free_on_gpu
from memprune.errors import UserError
from memprune.models.manifest import Manifest
from memprune.models.outline import Outline
from memprune.scoring.forced_pass import Model

Result = TypeVar("Result")
Load = Callable[..., Model]


@dataclass
class Placed:
    """A model and how it is used; `batch_tokens` become fewer when the device's memory ends.

    `kind` is what they are remembered by, None where they were given; `about` tells of the place, in words.
    """

    model: Model
    batch_tokens: int
    kind: Mapping | None
    about: Mapping[str, str]

    @property
    def how(self) -> dict[str, str]:
        """How the model is used now, in words."""
        return {**self.about, "batch_tokens": str(self.batch_tokens)}

    def within_memory(
        self, work: Callable[[int, Callable], Result], longest: int, advance: Callable[[int], object]
    ) -> Result:
        """What `work(batch_tokens, advance)` gives, in smaller batches if these do not fit.

        `longest` is the length of the longest text, in tokens. What a failed attempt has told `advance` is
        taken back.
        """
        done = 0

        def attempt(batch_tokens: int) -> Result:
            nonlocal done
            advance(-done)
            done = 0
            return work(batch_tokens, count)

        def count(tokens: int) -> None:
            nonlocal done
            done += tokens
            advance(tokens)

        result, fitted = within_memory(attempt, self.batch_tokens, longest)
        if fitted != self.batch_tokens and self.kind is not None:
            remember(self.kind, fitted)
        self.batch_tokens = fitted
        return result


def place(
    load: Load,
    manifest: Manifest,
    changes: Sequence[Path],
    device: str,
    threads: int,
    spec: Mapping,
    longest: int,
) -> Placed:
    """Load a model after its changes on a device (`cpu` or `cuda`); `spec` has the settings of `evaluation`.

    `load` is `memprune.scoring.load_model`'s, given by whoever scores: code of this package decides no
    number, and is no part of what a job depends on. `longest` is the length of the longest text that is to be
    scored, in tokens. Raises UserError when the model does not fit the device.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    torch.cuda.empty_cache()  # of an earlier model of this process
    # Before the weights come: less where somebody else computes.
    free = None if device == "cpu" else free_on_gpu(chosen)
    dtype = getattr(torch, spec["dtype"])
    model = load_where_it_fits(partial(load, manifest, changes, dtype, chosen), manifest, dtype, chosen, spec)
    about = {
        "weights_dtype": manifest.dtype,
        "compute_dtype": spec["dtype"],
        "device": name_of(chosen),
        "computed_by": "transformers" if isinstance(manifest.architecture, Outline) else "decoder",
        "residency": "streamed" if model.block_tokens else "resident",
    }
    given = spec["batch_tokens"] or (BATCH_TOKENS if device == "cpu" else None)
    if given:
        return Placed(model, given, None, about)
    kind = {
        "architecture": asdict(manifest.architecture),
        "vocabulary": manifest.vocabulary,
        **about,
        "free GiB": int(free // 2**30),
        "longest": longest,
    }
    return Placed(model, find_batch_tokens(kind, model, longest), kind, about)


def load_where_it_fits(
    load: Callable[[int], Model], manifest: Manifest, dtype: torch.dtype, device: torch.device, spec: Mapping
) -> Model:
    """The model, resident or streamed as `spec` says; with `auto` also streamed when the device fills up."""
    try:
        return load(choose_block_tokens(manifest.architecture, dtype, device, spec))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    if spec["residency"] != "auto":
        raise UserError(
            "evaluation.residency: found resident, but the weights do not fit the device; "
            "allowed: auto, streamed; or try precision: bfloat16"
        )
    print("residency: the weights do not fit the device after all, so they are streamed", flush=True)
    return load(choose_block_tokens(manifest.architecture, dtype, device, {**spec, "residency": "streamed"}))
