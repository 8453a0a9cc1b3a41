"""Parity: both ways to compute a model on the device against transformers there, in each dtype."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from check_settings import Settings
from finding import Finding
from outlined import outlined
from tiny_models import ALLOWED, evidence, half_memorized, reference_model, tiny_model

from memprune.models.families import FAMILIES
from memprune.models.resolve_model import resolve_model
from memprune.scoring.forced_pass import Model
from memprune.scoring.transformers_pass import load_through_transformers
from memprune.scoring.variant_model import load_variant

Load = Callable[[Path, torch.dtype, torch.device], Model]
CONTEXT, SUFFIX, ROWS = 30, 20, 16


@dataclass(frozen=True)
class Comparison:
    """The largest deviations of log-probabilities and margins, and of how many tokens the greedy bits differ.

    Bits are compared of the tokens whose margin is `clear`, further from zero than rounding may move it.
    """

    log_probability: float
    margin: float
    tokens: int
    clear: int
    differ: int


def check(settings: Settings) -> Iterator[Finding]:
    """All families in each dtype, by each way."""
    for (dtype, allowed), (way, load) in product(ALLOWED.items(), WAYS.items()):
        found = {family: compare(family, dtype, load, settings) for family in FAMILIES}
        log_probability = max(one.log_probability for one in found.values())
        margin = max(one.margin for one in found.values())
        tokens, clear, differ = (
            sum(getattr(one, name) for one in found.values()) for name in ("tokens", "clear", "differ")
        )
        yield Finding(
            f"{dtype}{way}",
            f"log-probabilities within {log_probability:.1e}, margins within {margin:.1e}, "
            f"{differ} of {clear} clear greedy bits differ (of {tokens} tokens, {', '.join(found)})",
            f"{allowed:.1e}, {2 * allowed:.1e}, 0",
            log_probability <= allowed and margin <= 2 * allowed and differ == 0,
        )


def by_decoder(folder: Path, dtype: torch.dtype, device: torch.device) -> Model:
    """The model of a folder, computed by the decoder of ours."""
    return load_variant(resolve_model("tiny", folder), (), dtype, device)


def by_transformers(folder: Path, dtype: torch.dtype, device: torch.device) -> Model:
    """The same, computed by transformers."""
    return load_through_transformers(outlined(folder), (), dtype, device)


WAYS: dict[str, Load] = {"": by_decoder, ", through transformers": by_transformers}


def compare(family: str, dtype: str, load: Load, settings: Settings) -> Comparison:
    """A random model of a family, on texts of which every other ends as transformers decodes."""
    device = torch.device(settings.device)
    folder = tiny_model(family, "float32", settings.folder / family)
    reference = reference_model(folder, None, dtype).to(device)
    texts = half_memorized(reference, CONTEXT, SUFFIX, ROWS)
    ours = evidence(load(folder, getattr(torch, dtype), device), texts)
    with torch.inference_mode():
        ids = torch.from_numpy(texts).to(device)
        logits = reference(input_ids=ids[:, :-1], use_cache=False).logits.float().cpu()
    targets = torch.from_numpy(texts)[:, 1:, None]
    expected = logits.log_softmax(2).gather(2, targets)[..., 0].numpy()
    others = logits.scatter(2, targets, -torch.inf).amax(2)
    margins = (logits.gather(2, targets)[..., 0] - others).numpy()
    log_probability, margin, rank = ours
    clear = np.abs(margins) > 2 * ALLOWED[dtype]
    return Comparison(
        float(np.abs(log_probability - expected).max()),
        float(np.abs(margin - margins).max()),
        clear.size,
        int(clear.sum()),
        int(((rank == 0) != (margins > 0))[clear].sum()),
    )
