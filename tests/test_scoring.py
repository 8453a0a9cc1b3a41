"""One forced pass says what decoding, another implementation and plain arithmetic say."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
from lm_eval.models.huggingface import HFLM
from safetensors.torch import load_file, save_file
from tiny_models import greedy, reference_model, tiny_model

from memprune.corpus.documents import Document
from memprune.corpus.draw_samples import draw_windows
from memprune.errors import UserError
from memprune.evaluation.tasks import perplexity_task, score_tasks
from memprune.findings.aggregate_tables import perplexity_table
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.scoring.decoder import Head, Linear
from memprune.scoring.forced_pass import (
    cut_batches,
    cut_blocks,
    score_memorization,
    score_perplexity,
    score_rows,
)
from memprune.scoring.pruned_model import load_pruned

CPU = torch.device("cpu")
CONTEXT, SUFFIX = 12, 8


@pytest.fixture(params=FAMILIES)
def folder(request, tmp_path) -> Path:
    return tiny_model(request.param, "float32", tmp_path)


@pytest.fixture
def reference(folder):
    """The model as transformers runs it."""
    return reference_model(folder, None, "float32")


@pytest.fixture
def model(folder):
    """The same model as memprune runs it."""
    return load_pruned(resolve_model("tiny", folder), None, torch.float32, CPU)


def half_memorized(reference, rows: int = 8) -> np.ndarray:
    """Windows of which the even rows end as the model decodes, the odd ones differ at one token each."""
    generator = np.random.default_rng(0)
    vocabulary = reference.config.vocab_size
    context = generator.integers(1, vocabulary, (rows, CONTEXT))
    suffix = greedy(reference, context, SUFFIX)
    for row in range(1, rows, 2):
        at = row % SUFFIX
        suffix[row, at] = (suffix[row, at] + 1) % vocabulary
    return np.concatenate([context, suffix], axis=1)


def test_extracted_and_matched_equal_greedy_decoding(model, reference):
    windows = half_memorized(reference)
    scores = score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    same = greedy(reference, windows[:, :CONTEXT], SUFFIX) == windows[:, CONTEXT:]
    assert scores["extracted"].tolist() == [True, False] * 4
    np.testing.assert_array_equal(scores["extracted"], same.all(axis=1))
    np.testing.assert_array_equal(scores["matched"], np.cumprod(same, axis=1).sum(axis=1))


def test_one_pass_from_the_start_scores_every_context_length(model, reference):
    windows = half_memorized(reference)
    lengths = [3, 5, CONTEXT]
    together = score_memorization(model, windows, lengths, SUFFIX, batch_tokens=50)
    for i, length in enumerate(lengths):
        alone = score_memorization(model, windows[:, : length + SUFFIX], [length], SUFFIX, batch_tokens=50)
        for name in ("extracted", "matched", "token_accuracy"):
            np.testing.assert_array_equal(together[name][i :: len(lengths)], alone[name])
        np.testing.assert_allclose(
            together["suffix_log_probability"][i :: len(lengths)], alone["suffix_log_probability"], atol=1e-4
        )
        same = greedy(reference, windows[:, :length], SUFFIX) == windows[:, length : length + SUFFIX]
        np.testing.assert_array_equal(alone["extracted"], same.all(axis=1))


def test_ties_are_decided_as_greedy_decoding_does():
    logits = torch.tensor([[1.0, 3.0, 3.0], [3.0, 1.0, 3.0], [2.0, 2.0, 2.0], [5.0, 5.0, 6.0]])
    head = Head(None, None, Linear(logits.T.contiguous(), None))
    targets = torch.tensor([2, 2, 0, 2])
    matches, log_probabilities = score_rows(torch.eye(4), targets, head)
    assert matches.tolist() == (logits.argmax(1) == targets).tolist() == [False, False, True, True]
    expected = logits.log_softmax(1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(log_probabilities.float(), expected)


def test_scores_do_not_depend_on_the_batch(model, reference):
    windows = half_memorized(reference)
    one = score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=1)
    all_at_once = score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=10**6)
    np.testing.assert_array_equal(one["extracted"], all_at_once["extracted"])
    np.testing.assert_allclose(
        one["suffix_log_probability"], all_at_once["suffix_log_probability"], atol=1e-4
    )


def test_nll_of_windows_of_unequal_length(model, reference):
    generator = np.random.default_rng(1)
    windows = [generator.integers(1, reference.config.vocab_size, n) for n in (9, 4, 9, 17, 2)]
    scored = np.array([8, 1, 3, 16, 1])
    nll = score_perplexity(model, windows, scored, batch_tokens=20)
    for window, count, found in zip(windows, scored, nll, strict=True):
        ids = torch.from_numpy(window)[None]
        with torch.no_grad():
            logits = reference(input_ids=ids).logits[0, :-1].double()
        expected = torch.nn.functional.cross_entropy(logits[-count:], ids[0, -count:], reduction="sum")
        assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("window", [24, 125])
def test_word_and_byte_perplexity_equal_lm_evaluation_harness(window, tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path)
    model, tokenizer = (
        load_pruned(resolve_model("tiny", folder), None, torch.float32, CPU),
        load_tokenizer(folder),
    )
    texts = [
        # No text repeats itself: the harness takes two windows of the same tokens for one.
        " ".join(f"In the beginning — was\n\nthe word {number**3}." for number in range(9)),
        " def f(x):\n\treturn x  ",
        "Blessed are the meek: for they shall inherit the earth.",
    ]
    documents = [Document(str(i), "test", text, 1) for i, text in enumerate(texts)]

    reference = HFLM(
        pretrained=reference_model(folder, None, "float32"),
        tokenizer=tokenizer,
        max_length=window,
        batch_size=2,
    )
    requests = [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(texts)]
    log_likelihood = sum(reference.loglikelihood_rolling(requests, disable_tqdm=True))
    words = sum(len(re.split(r"\s+", text)) for text in texts)
    size = sum(len(text.encode()) for text in texts)

    count = sum(-(-len(tokenizer(text).input_ids) // window) for text in texts)
    windows = draw_windows(documents, tokenizer, window, count)

    def score(tokens, scored, advance):
        return {"nll": score_perplexity(model, tokens, scored, 100, advance)}

    [scores] = score_tasks([perplexity_task(windows, {"window": window}, score)], lambda: {"device": "cpu"})
    scores = scores.to_pandas()
    table = perplexity_table(scores.assign(model="tiny", strategy="dense", level=0.0)).iloc[0]
    assert scores.words.sum() == words
    assert scores.bytes.sum() == size
    assert table.word_perplexity == pytest.approx(weighted_perplexity([(log_likelihood, words)]), rel=1e-4)
    assert table.byte_perplexity == pytest.approx(weighted_perplexity([(log_likelihood, size)]), rel=1e-4)
    assert table.bits_per_byte == pytest.approx(bits_per_byte([(log_likelihood, size)]), rel=1e-4)


@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=20),
    batch_tokens=st.integers(1, 30),
    block_tokens=st.integers(0, 60),
)
def test_blocks_hold_every_row_once_and_no_more_tokens_than_asked(lengths, batch_tokens, block_tokens):
    batches = [
        batch
        for i, length in enumerate(lengths)
        for batch in cut_batches(np.arange(3) + 3 * i, np.zeros((3, length), np.int32), batch_tokens)
    ]
    assert all(batch.tokens.size <= max(batch_tokens, batch.tokens.shape[1]) for batch in batches)
    blocks = list(cut_blocks(batches, block_tokens))
    rows = [row for block in blocks for batch in block for row in batch.rows]
    assert rows == list(range(3 * len(lengths)))
    assert all(len(block) == 1 or sum(b.tokens.size for b in block) <= block_tokens for block in blocks)


def test_a_non_finite_log_probability_names_the_row(folder):
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith(("wte.weight", "embed_in.weight", "embed_tokens.weight")))
    weights[name][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load_pruned(resolve_model("tiny", folder), None, torch.float32, CPU)
    windows = np.full((4, CONTEXT + SUFFIX), 4)
    windows[2, 0] = 3
    with pytest.raises(UserError, match=r"non-finite one at row [02] of those scored"):
        score_memorization(model, windows, [CONTEXT], SUFFIX, 100)


@pytest.mark.parametrize("moment", ["before", "while"])
@pytest.mark.parametrize("block_tokens", [0, 50])
def test_weights_that_change_are_not_scored_under_the_old_ones_name(folder, moment, block_tokens):
    manifest = resolve_model("tiny", folder)
    path = folder / "model.safetensors"
    expected = pytest.raises(UserError, match=r"model.safetensors: changed since the model was described")
    windows = np.ones((2, CONTEXT + SUFFIX), dtype=np.int32)

    def overwrite() -> None:
        weights = load_file(path)
        weights[manifest.matrices[0].name] *= 2
        save_file(weights, path, {"format": "pt"})

    if moment == "before":
        overwrite()
        with expected:
            model = load_pruned(manifest, None, torch.float32, CPU, block_tokens)
            score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
        return
    model = load_pruned(manifest, None, torch.float32, CPU, block_tokens)
    before = score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    overwrite()
    if block_tokens:
        with expected:
            score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    else:  # its weights are in memory
        after = score_memorization(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
        np.testing.assert_array_equal(after["suffix_log_probability"], before["suffix_log_probability"])
