"""Train the tiny-pythia suite: one tokenizer, GPT-NeoX models of growing size, one data order; and a control.

The recipe follows Pythia (Biderman et al. 2023) where its scale allows: documents in a fixed shuffled order,
joined by the end-of-text token, cut into blocks without regard to document borders, one epoch, AdamW with
cosine decay. Every model sees the same blocks in the same order, but for the control, the largest size on the
same documents with each of them once. One size is trained again and pruned meanwhile.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from memprune.embedded.build_mini_pile import MiniPileDocument, rank
from memprune.embedded.gradual_pruning import (
    Schedule,
    count_zeros,
    keep_from_rounding_to_zero,
    unmasked,
    update_masks,
    zero_gradients,
    zero_weights,
)

END_OF_TEXT = "<|endoftext|>"
VOCABULARY = 2048


@dataclass(frozen=True)
class Size:
    """The shape of one model of the suite, and its peak learning rate: smaller models take larger ones."""

    name: str
    hidden: int
    layers: int
    heads: int
    learning_rate: float


SIZES = (
    Size("tiny-pythia-0.6m", hidden=112, layers=4, heads=2, learning_rate=3e-3),
    Size("tiny-pythia-1.2m", hidden=160, layers=4, heads=2, learning_rate=2e-3),
    Size("tiny-pythia-3.5m", hidden=192, layers=8, heads=2, learning_rate=1.2e-3),
)
CONTROL = "tiny-pythia-3.5m-once"  # the largest size on the same documents, each once
PRUNED = SIZES[1]
SPARSITIES = (0.5, 0.7)  # of the models that are pruned in training, each the size `PRUNED`
PRUNING_SHARES = (0.2, 0.75)  # of the steps: when pruning begins and ends
PRUNING_STEPS = 100  # between two updates of the masks
REPORT_STEPS = 1000
VALIDATION_BLOCKS = 64


@dataclass(frozen=True)
class Recipe:
    """How every model of the suite is trained; `block` and `batch` count tokens and blocks.

    One block a step: at this scale a text is memorized by the number of steps that it takes part in, and a
    large batch leaves too few. The longer memory of AdamW's second moment makes up for the noise.
    """

    seed: int = 0
    block: int = 256
    batch: int = 1
    final_share: float = 0.05  # of the peak learning rate, at the last step
    warmup_steps: int = 200
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    gradient_clip: float = 1.0


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with `VOCABULARY` entries, trained on `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )


def training_stream(documents: Sequence[MiniPileDocument], tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """The token ids of the training documents, each as often as `duplicates` says: int64, one dimension.

    The order is fixed: occurrences are sorted by a hash of the document's name and the repeat's number.
    """
    train = [d for d in documents if d.split == "train"]
    encoded = tokenizer.backend_tokenizer.encode_batch([d.text for d in train], add_special_tokens=False)
    ids = [[*e.ids, tokenizer.eos_token_id] for e in encoded]
    occurrences = [(i, repeat) for i, d in enumerate(train) for repeat in range(d.duplicates)]
    occurrences.sort(key=lambda o: rank("order", f"{train[o[0]].document}#{o[1]}"))
    return np.concatenate([np.asarray(ids[i], dtype=np.int64) for i, _ in occurrences])


def unigram_perplexity(train: np.ndarray, validation: np.ndarray) -> float:
    """Perplexity of `validation` under the token frequencies of `train`, with one added to each count."""
    counts = np.bincount(train, minlength=VOCABULARY) + 1.0
    return float(np.exp(-np.log(counts / counts.sum())[validation].mean()))


def new_model(size: Size, recipe: Recipe) -> GPTNeoXForCausalLM:
    """A GPT-NeoX model with Pythia's choices (rotary on a quarter, parallel residual, untied head)."""
    torch.manual_seed(recipe.seed)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.hidden,
        max_position_embeddings=recipe.block,
        rotary_pct=0.25,
        use_parallel_residual=True,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPTNeoXForCausalLM(config)


def learning_rate_share(step: int, steps: int, recipe: Recipe) -> float:
    """The share of the peak learning rate: linear warm-up, then a cosine down to `final_share`."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return recipe.final_share + (1 - recipe.final_share) * 0.5 * (1 + math.cos(math.pi * done))


def mean_loss(model: GPTNeoXForCausalLM, blocks: torch.Tensor) -> float:
    """Mean next-token loss in nats over `blocks` (blocks × tokens, int64)."""
    model.eval()
    with torch.no_grad():
        losses = [next_token_loss(model, batch).item() for batch in blocks.split(8)]
    model.train()
    return sum(losses) / len(losses)


def next_token_loss(model: GPTNeoXForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of tokens 1… of each row of `batch` (rows × tokens, int64)."""
    logits = model(input_ids=batch[:, :-1], use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def as_blocks(stream: np.ndarray, block: int) -> torch.Tensor:
    """Cut a token stream into rows of `block` tokens; the rest at the end is left out."""
    rows = len(stream) // block
    return torch.from_numpy(stream[: rows * block].reshape(rows, block))


def pruning_schedule(sparsity: float, steps: int) -> Schedule:
    """When a model that trains for `steps` steps is pruned to `sparsity`.

    It begins once the model has learnt which weights matter, and ends while the learning rate is large enough
    for the others to make up for the last that go.
    """
    begin, end = (round(share * steps) for share in PRUNING_SHARES)
    return Schedule(sparsity, begin, PRUNING_STEPS, (end - begin) // PRUNING_STEPS)


def train_model(
    size: Size,
    recipe: Recipe,
    train: torch.Tensor,
    validation: torch.Tensor,
    folder: Path,
    schedule: Schedule | None = None,
) -> list[dict]:
    """Train one model for one epoch, save it as float16 safetensors in `folder`; return its curve.

    `train` and `validation` are blocks × tokens, int64. With a `schedule`, which must end before the training
    does, the model is pruned meanwhile. The curve has one entry per `REPORT_STEPS`: step, tokens, loss of the
    batch, validation loss (nats per token) and seconds since the start.
    """
    model = new_model(size, recipe)
    masked = unmasked(model) if schedule else []
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=size.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    steps = len(train) // recipe.batch
    curve, start = [], time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = size.learning_rate * learning_rate_share(step, steps, recipe)
        if schedule and schedule.updates_at(step):
            masked = update_masks(masked, schedule.at(step))
        batch = train[step * recipe.batch : (step + 1) * recipe.batch]
        loss = next_token_loss(model, batch)
        loss.backward()
        zero_gradients(masked)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        optimizer.step()
        zero_weights(masked)
        optimizer.zero_grad(set_to_none=True)
        if step % REPORT_STEPS == REPORT_STEPS - 1 or step == steps - 1:
            entry = {
                "step": step + 1,
                "tokens": (step + 1) * batch.numel(),
                "loss": round(loss.item(), 4),
                "validation_loss": round(mean_loss(model, validation), 4),
                "seconds": round(time.perf_counter() - start, 1),
            }
            curve.append(entry)
            print(size.name, json.dumps(entry), f"of {steps} steps", flush=True)
    keep_from_rounding_to_zero(masked)
    model.to(torch.float16).save_pretrained(folder)
    return curve


def train_suite(documents: Sequence[MiniPileDocument], folder: Path, recipe: Recipe | None = None) -> dict:
    """Train the suite into sub-folders of `folder`; return what was measured.

    That is the tokenizer, `SIZES`, the control, and `PRUNED` once more for each of `SPARSITIES`.
    """
    recipe = recipe or Recipe()
    tokenizer = train_tokenizer([d.text for d in documents if d.split == "train"])
    stream = training_stream(documents, tokenizer)
    held_out = [d.text for d in documents if d.split == "validation"]
    encoded = tokenizer.backend_tokenizer.encode_batch(held_out, add_special_tokens=False)
    held_out_stream = np.concatenate([[*e.ids, tokenizer.eos_token_id] for e in encoded])
    validation = as_blocks(held_out_stream, recipe.block)[:VALIDATION_BLOCKS]
    measured = {
        "recipe": asdict(recipe),
        "validation_tokens": len(held_out_stream),
        "unigram_validation_perplexity": round(unigram_perplexity(stream, held_out_stream), 2),
        "models": {},
    }
    print(json.dumps(measured), flush=True)
    once = training_stream([replace(document, duplicates=1) for document in documents], tokenizer)
    schedules = [
        pruning_schedule(sparsity, len(stream) // recipe.block // recipe.batch) for sparsity in SPARSITIES
    ]
    trained = [
        *((size, stream, None) for size in SIZES),
        (replace(SIZES[-1], name=CONTROL), once, None),
        *((replace(PRUNED, name=f"{PRUNED.name}-pruned-{s.sparsity}"), stream, s) for s in schedules),
    ]
    for size, own, schedule in trained:
        place, blocks = folder / size.name, as_blocks(own, recipe.block)
        tokenizer.save_pretrained(place)
        curve = train_model(size, recipe, blocks, validation, place, schedule)
        about = {**asdict(size), "training_tokens": len(own), "curve": curve}
        if schedule:
            zeros, weights = count_zeros(place)
            about["pruning"] = {**asdict(schedule), "zeros": zeros, "prunable_weights": weights}
        measured["models"][size.name] = about
    return measured
