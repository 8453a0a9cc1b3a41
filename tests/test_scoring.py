"""One forced pass says what decoding, another implementation and plain arithmetic say."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EVERY_FAMILY
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_models import greedy, half_memorized, reference_model, tiny_model

from memprune.corpus.documents import Document
from memprune.corpus.draw_samples import draw_windows
from memprune.errors import UserError
from memprune.findings.frames import VARIANT
from memprune.findings.perplexity_table import perplexity_table
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.scoring.batches import cut_batches, cut_blocks
from memprune.scoring.decoder import Head, Linear
from memprune.scoring.evidence import LARGEST_RANK
from memprune.scoring.forced_pass import score_suffixes, score_windows
from memprune.scoring.logits import all_evidence, measure_rows, only_log_probability, ranks_on_gpu
from memprune.scoring.variant_model import load_variant

CPU = torch.device("cpu")
CONTEXT, SUFFIX = 12, 8


@pytest.fixture(params=EVERY_FAMILY)
def folder(request, tmp_path) -> Path:
    return tiny_model(request.param, "float32", tmp_path)


@pytest.fixture
def reference(folder):
    """The model as transformers runs it."""
    return reference_model(folder, None, "float32")


@pytest.fixture
def model(folder):
    """The same model as memprune runs it."""
    return load_variant(resolve_model("tiny", folder), (), torch.float32, CPU)


def test_greedy_tokens_are_those_of_greedy_decoding(model, reference):
    windows = half_memorized(reference, CONTEXT, SUFFIX)
    evidence = score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    same = greedy(reference, windows[:, :CONTEXT], SUFFIX) == windows[:, CONTEXT:]
    assert evidence.greedy.all(axis=1).tolist() == [True, False] * 4
    # After its first mismatch decoding has another context than the forced pass.
    until = np.cumprod(same, axis=1).sum(axis=1)
    np.testing.assert_array_equal(np.cumprod(evidence.greedy, axis=1).sum(axis=1), until)
    assert (evidence.margin[evidence.greedy] >= 0).all()
    assert (evidence.margin[~evidence.greedy] <= 0).all()


def test_one_pass_from_the_start_scores_every_context_length(model, reference):
    windows = half_memorized(reference, CONTEXT, SUFFIX)
    lengths = [3, 5, CONTEXT]
    together = score_suffixes(model, windows, lengths, SUFFIX, batch_tokens=50)
    for i, length in enumerate(lengths):
        alone = score_suffixes(model, windows[:, : length + SUFFIX], [length], SUFFIX, batch_tokens=50)
        np.testing.assert_array_equal(together.greedy[i :: len(lengths)], alone.greedy)
        for name in ("log_probability", "margin"):
            ours = getattr(together, name)[i :: len(lengths)]
            np.testing.assert_allclose(ours, getattr(alone, name), atol=1e-4)
        same = greedy(reference, windows[:, :length], SUFFIX) == windows[:, length : length + SUFFIX]
        np.testing.assert_array_equal(alone.greedy.all(axis=1), same.all(axis=1))


@given(
    logits=st.lists(st.lists(st.integers(-2, 3), min_size=7, max_size=7), min_size=1, max_size=20),
    token=st.integers(0, 6),
)
@settings(deadline=None)
def test_ties_are_decided_as_greedy_decoding_does(logits, token):
    """Few values, so many are equal; the reference is a stable sort, and argmax, which takes the first."""
    rows = torch.tensor(logits, dtype=torch.float32)
    head = Head(None, None, Linear(torch.eye(7), None))
    targets = (torch.arange(len(rows)) + token) % 7
    found, margin, rank = measure_rows(all_evidence, rows, targets, head)
    order = rows.argsort(dim=1, descending=True, stable=True)
    assert rank.tolist() == [row.tolist().index(t) for row, t in zip(order, targets, strict=True)]
    assert (rank == 0).tolist() == (rows.argmax(1) == targets).tolist()
    chosen = rows.gather(1, targets[:, None])
    others = rows.scatter(1, targets[:, None], -torch.inf).amax(1)
    assert margin.tolist() == (chosen[:, 0] - others).tolist()
    assert ranks_on_gpu(rows, targets[:, None], chosen, others).tolist() == rank.tolist()
    torch.testing.assert_close(found, rows.log_softmax(1).gather(1, targets[:, None])[:, 0])
    assert measure_rows(only_log_probability, rows, targets, head)[0].tolist() == found.tolist()


def test_ranks_beyond_sixteen_bits_are_the_largest():
    logits = torch.arange(2**17, dtype=torch.float32)[None]
    targets = torch.tensor([[5]])
    chosen = logits.gather(1, targets)
    assert all_evidence(logits.clone(), targets)[2].tolist() == [LARGEST_RANK]
    assert ranks_on_gpu(logits, targets, chosen, chosen).tolist() == [LARGEST_RANK]


def test_scores_do_not_depend_on_the_batch(model, reference):
    windows = half_memorized(reference, CONTEXT, SUFFIX)
    one = score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=1)
    all_at_once = score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=10**6)
    np.testing.assert_array_equal(one.greedy, all_at_once.greedy)
    np.testing.assert_allclose(one.log_probability, all_at_once.log_probability, atol=1e-4)


def test_log_probabilities_of_windows_of_unequal_length(model, reference):
    generator = np.random.default_rng(1)
    windows = [generator.integers(1, reference.config.vocab_size, n) for n in (9, 4, 9, 17, 2)]
    scored = np.array([8, 1, 3, 16, 1])
    log_probabilities = score_windows(model, windows, scored, batch_tokens=20)
    for window, count, found in zip(windows, scored, log_probabilities, strict=True):
        ids = torch.from_numpy(window)[None]
        with torch.no_grad():
            logits = reference(input_ids=ids).logits[0, :-1].double()
        expected = torch.nn.functional.cross_entropy(logits[-count:], ids[0, -count:], reduction="none")
        np.testing.assert_allclose(-found, expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("window", [24, 125])
def test_word_and_byte_perplexity_equal_lm_evaluation_harness(window, tmp_path):
    from lm_eval.api.instance import Instance  # late: two seconds that no other test of this file needs
    from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
    from lm_eval.models.huggingface import HFLM

    folder = tiny_model("gpt_neox", "float32", tmp_path)
    model, tokenizer = (
        load_variant(resolve_model("tiny", folder), (), torch.float32, CPU),
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

    tokens = [np.asarray(row) for row in windows["tokens"].to_pylist()]
    log_probabilities = score_windows(model, tokens, windows["scored"].to_numpy(), 100)
    scores = windows.select(["document", "bytes", "words"]).to_pandas()
    scores = scores.assign(tokens=windows["scored"], nll=[-values.sum() for values in log_probabilities])
    dense = dict.fromkeys(VARIANT, 0) | {"strategy": "dense"}
    table = perplexity_table(scores.assign(**dense)).iloc[0]
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
    name = next(
        n
        for n in weights
        if n.endswith(("wte.weight", "embed_in.weight", "embed_tokens.weight", "word_embeddings.weight"))
    )
    weights[name][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load_variant(resolve_model("tiny", folder), (), torch.float32, CPU)
    windows = np.full((4, CONTEXT + SUFFIX), 4)
    windows[2, 0] = 3
    with pytest.raises(UserError, match=r"non-finite one at row [02] of those scored"):
        score_suffixes(model, windows, [CONTEXT], SUFFIX, 100)


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
            model = load_variant(manifest, (), torch.float32, CPU, block_tokens)
            score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
        return
    model = load_variant(manifest, (), torch.float32, CPU, block_tokens)
    before = score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    overwrite()
    if block_tokens:
        with expected:
            score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
    else:  # its weights are in memory
        after = score_suffixes(model, windows, [CONTEXT], SUFFIX, batch_tokens=50)
        np.testing.assert_array_equal(after.log_probability, before.log_probability)
