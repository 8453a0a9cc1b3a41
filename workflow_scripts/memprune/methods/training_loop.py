"""Training with zeros held: AdamW on texts in epochs of seeded orders.

The schedule is that of retraining after pruning with a budget of steps: up over the first tenth, then
straight down to zero (Zimmer et al. 2023, "How I learned to stop worrying and love retraining"; of language
models, with AdamW, their "PERP" of the same year). Weights do not decay, so that nothing moves them but text.
Dropout is off. So nothing is random but the order of texts, which a step's number tells.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from memprune.corpus.documents import rank
from memprune.errors import UserError
from memprune.methods import training_state
from memprune.methods.trainable import Trainable, add_gradients

WARM_UP = 0.1  # of all steps
BETAS = (0.9, 0.95)  # of Pythia's and other language models' pretraining
CLIP = 1.0  # the largest norm of all gradients together
TOLD = 10  # steps whose mean loss is told, the first and the last


@dataclass(frozen=True)
class Recipe:
    """How long and how fast: `batch` texts a step, `learning_rate` at its peak."""

    learning_rate: float
    batch: int
    seed: int
    steps: int


def train(
    trainable: Trainable,
    removed: Mapping[str, np.ndarray],
    texts: np.ndarray,
    recipe: Recipe,
    what: str,
    unfinished: Path | None,
) -> None:
    """Train a model's parameters on texts (texts × tokens, integers), all tokens but the first scored.

    The weights `removed` (bool, by the names of tensors) stay as they are: zero. What a killed job has left
    in the folder `unfinished` is gone on from, to the same bits. Prints progress and losses. Raises
    UserError, which begins with `what`, when a loss is not finite.
    """
    names = {parameter: name for name, parameter in trainable.parameters.items()}  # a tied head is there once
    parameters = {name: parameter for parameter, name in names.items()}
    device = trainable.model.device
    held = [(trainable.parameters[name], torch.from_numpy(own).to(device)) for name, own in removed.items()]
    optimizer = torch.optim.AdamW(parameters.values(), betas=BETAS, weight_decay=0, fused=True)
    losses = training_state.restore(parameters, optimizer, unfinished) if unfinished else []
    if losses:
        print(f"going on after step {len(losses)}", flush=True)
    due = time.monotonic() + training_state.PAUSE
    with tqdm(
        desc=what, total=recipe.steps, initial=len(losses), unit="step", mininterval=10, ascii=True, ncols=100
    ) as bar:
        for step in range(len(losses), recipe.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, recipe)
            optimizer.zero_grad()
            rows = texts_of_step(step, recipe, len(texts))
            losses.append(add_gradients(trainable.model, texts[rows], texts.shape[1] - 1, lambda done: None))
            if not math.isfinite(losses[-1]):
                raise UserError(
                    f"{what}: found a loss of {losses[-1]} at step {step + 1}, expected finite ones; "
                    "try a lower learning_rate"
                )
            for parameter, zeros in held:
                parameter.grad.masked_fill_(zeros, 0)  # so their moments and steps are zero, too
            clip_grad_norm_(parameters.values(), CLIP)
            optimizer.step()
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            bar.update()
            if unfinished and time.monotonic() >= due and step + 1 < recipe.steps:
                due = training_state.save(parameters, optimizer, losses, unfinished)
    first, last = np.mean(losses[:TOLD]), np.mean(losses[-TOLD:])
    print(f"mean loss of the first steps {first:.4f}, of the last {last:.4f}", flush=True)


def learning_rate(step: int, recipe: Recipe) -> float:
    """The learning rate of a step, counted from 0: straight up, then down to zero after the last."""
    warm_up = math.ceil(WARM_UP * recipe.steps)
    up, down = (step + 1) / warm_up, (recipe.steps - step) / max(1, recipe.steps - warm_up)
    return recipe.learning_rate * min(up, down, 1.0)


def texts_of_step(step: int, recipe: Recipe, texts: int) -> list[int]:
    """Which texts a step takes: all of them come once in an epoch, in an order of its own."""
    places = range(step * recipe.batch, (step + 1) * recipe.batch)
    return [order(recipe.seed, place // texts, texts)[place % texts] for place in places]


@lru_cache(2)
def order(seed: int, epoch: int, texts: int) -> list[int]:
    """The order of texts in an epoch."""
    return sorted(range(texts), key=lambda text: rank(seed, f"epoch {epoch}", str(text)))
