"""Free-running greedy decoding: how a model continues each sample's context, token by token.

Until a sample's first mismatch, forced and free decoding agree: so a forced pass gives what is decoded up to
there, the first wrong token included, and only the tokens after it are decoded one by one.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from memprune.scoring.attention import Past
from memprune.scoring.batches import Batch, cut_batches, cut_blocks
from memprune.scoring.decoder import embed, leave, run_layer
from memprune.scoring.forced_pass import Model, check_finite, forced_pass, ignore
from memprune.scoring.hidden_states import VariantModel
from memprune.scoring.logits import log_probability, measure_rows
from memprune.scoring.rotations import rotations_of

MORE_ON_CPU = 4  # texts than a forced pass takes: a step multiplies one token of each, which fills no product


def continue_suffixes(
    model: Model,
    samples: np.ndarray,
    suffix: int,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> np.ndarray:
    """What greedy decoding makes of the last `suffix` tokens of each sample: int32, samples × suffix.

    `samples` is samples × tokens (integers), context and true suffix. The samples whose suffix is not
    reproduced are decoded in batches, by their first mismatches, each batch from its earliest one on.
    `advance` is called with the number of tokens of the samples that are finished. Raises UserError when a
    log-probability is not finite.
    """
    length = samples.shape[1]
    continued = forced_choices(model, samples, suffix, batch_tokens)
    matched = np.cumprod(continued == samples[:, -suffix:], axis=1).sum(axis=1)
    unfinished = np.flatnonzero(matched < suffix - 1)  # behind a mismatch at the last token comes nothing
    advance((len(samples) - len(unfinished)) * length)
    unfinished = unfinished[matched[unfinished].argsort(kind="stable")]
    known = length - suffix + matched + 1
    texts = np.concatenate([samples[:, :-suffix], continued], axis=1)[unfinished]
    more = MORE_ON_CPU if model.device.type == "cpu" else 1
    for batch in cut_batches(unfinished, texts, more * batch_tokens):
        decode_own = partial(decode, model) if isinstance(model, VariantModel) else model.decode
        continued[batch.rows] = decode_own(batch, known[batch.rows])[:, -suffix:]
        advance(batch.tokens.size)
    return continued


def forced_choices(model: Model, samples: np.ndarray, suffix: int, batch_tokens: int) -> np.ndarray:
    """The greedy choice at each suffix position given the true tokens before it: int32, samples × suffix."""
    scored = np.arange(samples.shape[1] - suffix, samples.shape[1])
    blocks = cut_blocks(cut_batches(np.arange(len(samples)), samples, batch_tokens), model.block_tokens)
    found = [batch for block in blocks for batch in forced_pass(model, block, scored, greedy_choice)]
    return np.concatenate([chosen for _, chosen in found])


@torch.inference_mode()
def decode(model: VariantModel, batch: Batch, known: np.ndarray) -> np.ndarray:
    """The tokens of a batch of texts, all but the first `known[i]` of each decoded greedily.

    The texts go in lock-step from the first unknown token of any: until its own, a text is fed what is known.
    """
    a = model.architecture
    texts, length = batch.tokens.shape
    tokens = torch.from_numpy(batch.tokens.astype(np.int64)).to(model.device)
    first_unknown = torch.from_numpy(known).to(model.device)
    rooms = torch.empty(
        (a.layers, 2, texts, a.key_heads, length, a.head_size), dtype=model.dtype, device=model.device
    )
    rotations = rotations_of(a, length, model.dtype, model.device)
    done, found = 0, []
    for at in range(known.min(), length):
        log_probability, chosen = choose_next(model, tokens[:, done:at], rooms, done, rotations)
        tokens[:, at] = torch.where(at < first_unknown, tokens[:, at], chosen)
        found.append(log_probability)
        done = at
    check_finite(torch.stack(found, dim=1).cpu().numpy(), batch.rows, model)
    return tokens.cpu().numpy()


def choose_next(
    model: VariantModel, ids: torch.Tensor, rooms: torch.Tensor, start: int, rotations: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The greedy choices after some tokens, with their log-probabilities (float32, nats), one a text.

    `ids` (texts × tokens) are at the positions from `start` on; `rooms` has a layer's keys and values of all
    positions before them, layer by layer, and gets theirs. `rotations` are those of all positions.
    """
    a, tokens = model.architecture, ids.shape[1]
    own = None if rotations is None else rotations[:, start : start + tokens]
    hidden = embed(ids, model.embedding(), a, start)
    for number, layer in enumerate(model.layers()):
        kept = 1 if number == a.layers - 1 else tokens
        hidden = run_layer(hidden, layer, a, own, kept, Past(rooms[number], start))
        del layer  # a streamed model's layers are dropped before the next one is read
    head = model.head()
    return measure_rows(greedy_choice, leave(hidden[:, 0], head, a), ids[:, -1], head)


def greedy_choice(logits: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each row the log-probability (float32, nats) of its largest logit and that one's id, int32.

    Of equal logits the smallest id is chosen. `logits` are float32, rows × vocabulary, and are overwritten.
    """
    chosen = logits.argmax(1, keepdim=True)
    largest = logits.gather(1, chosen)
    return log_probability(logits, largest, largest), chosen.squeeze(1).int()
