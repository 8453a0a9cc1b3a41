"""How many tokens a batch has on a GPU: the most that fit, found by trying, and remembered in the store."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from memprune.disk import written_whole
from memprune.errors import UserError
from memprune.scoring.batches import Batch
from memprune.scoring.forced_pass import Model, forced_pass
from memprune.scoring.logits import all_evidence
from memprune.store import entries

LARGEST = 2**16  # tokens: a GPU has long been busy, and larger batches only take memory
FULL = ("out of memory", "ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED")  # the last: no room for a handle
Result = TypeVar("Result")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that the device has no memory left: PyTorch's own, CUDA's or its libraries'."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in FULL)


def within_memory(work: Callable[[int], Result], batch_tokens: int, longest: int) -> tuple[Result, int]:
    """`work(batch_tokens)`, with half as many tokens as often as memory ends, and the number that fitted.

    `longest` is the length of the longest text. Raises UserError when not even one fits.
    """
    while True:
        try:
            return work(batch_tokens), batch_tokens
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Only here, after the error, nothing holds the tensors of the pass that failed.
        torch.cuda.empty_cache()
        if batch_tokens <= longest:
            raise UserError(
                f"evaluation: found too little memory on the device for one text of {longest} tokens; "
                "try precision: bfloat16 or residency: streamed"
            )
        print(f"batch: {batch_tokens} tokens do not fit, now {batch_tokens // 2}", flush=True)
        batch_tokens //= 2


def find_batch_tokens(kind: Mapping, model: Model, longest: int) -> int:
    """The tokens of a batch for a kind of job: remembered, else found by trying and remembered.

    `longest` is the length of the longest text, in tokens; raises UserError when not even one fits.
    """
    kept = place_of(kind)
    if kept.exists():
        return json.loads(kept.read_text())["batch_tokens"]
    batch_tokens = probe(model, longest)
    print(f"batch: {batch_tokens} tokens, found by trying", flush=True)
    remember(kind, batch_tokens)
    return batch_tokens


def probe(model: Model, longest: int) -> int:
    """The most tokens, halved from `LARGEST`, at which the longest texts fit with all evidence."""

    def try_batch(batch_tokens: int) -> None:
        texts = max(1, batch_tokens // longest)
        batch = Batch(np.arange(texts), np.zeros((texts, longest), dtype=np.int32))
        with suppress(UserError):  # only memory counts here, not what the numbers are
            forced_pass(model, [batch], None, all_evidence)

    return within_memory(try_batch, max(LARGEST, longest), longest)[1]


def remember(kind: Mapping, batch_tokens: int) -> None:
    """Keep the tokens of a batch for the next job of this kind, which starts with them."""
    with entries.explained(), written_whole(place_of(kind)) as temporary:
        temporary.write_text(json.dumps({"batch_tokens": batch_tokens, "kind": dict(kind)}, indent=1) + "\n")


def place_of(kind: Mapping) -> Path:
    """The file in the store for a kind of job."""
    return entries.folder() / "batches" / f"{entries.digest(kind)}.json"
