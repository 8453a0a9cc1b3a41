"""One forced pass says what decoding, another implementation and plain arithmetic say."""

import numpy as np
import pytest
import torch
from conftest import FAMILIES, tiny_model

from memprune.errors import UserError
from memprune.pruned_model import load_pruned
from memprune.scoring import batches, forced_pass, score_memorization, score_perplexity

CPU = torch.device("cpu")
CONTEXT, SUFFIX = 12, 8


def greedy(model, context: np.ndarray, length: int) -> np.ndarray:
    """The tokens that `generate` appends to `context` (rows × tokens) with greedy decoding and KV cache."""
    ids = torch.from_numpy(context).long()
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=length,
        min_new_tokens=length,
        do_sample=False,
        use_cache=True,
        pad_token_id=0,
        eos_token_id=-1,
    )
    return output[:, ids.shape[1] :].numpy()


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path):
    return load_pruned(tiny_model(request.param, "float32", tmp_path), None, "float32", CPU)


def half_memorized(model, rows: int = 8) -> np.ndarray:
    """Windows of which the even rows end as the model decodes, the odd ones differ at one token each."""
    generator = np.random.default_rng(0)
    vocabulary = model.config.vocab_size
    context = generator.integers(1, vocabulary, (rows, CONTEXT))
    suffix = greedy(model, context, SUFFIX)
    for row in range(1, rows, 2):
        at = row % SUFFIX
        suffix[row, at] = (suffix[row, at] + 1) % vocabulary
    return np.concatenate([context, suffix], axis=1)


def test_extracted_and_matched_equal_greedy_decoding(model):
    windows = half_memorized(model)
    scores = score_memorization(model, windows, CONTEXT, SUFFIX, batch_tokens=50)
    same = greedy(model, windows[:, :CONTEXT], SUFFIX) == windows[:, CONTEXT:]
    assert scores["extracted"].tolist() == [True, False] * 4
    np.testing.assert_array_equal(scores["extracted"], same.all(axis=1))
    np.testing.assert_array_equal(scores["matched"], np.cumprod(same, axis=1).sum(axis=1))


def test_a_shorter_context_keeps_the_suffix(model):
    windows = half_memorized(model)
    shorter = score_memorization(model, windows, 5, SUFFIX, batch_tokens=1000)
    same = greedy(model, windows[:, CONTEXT - 5 : CONTEXT], SUFFIX) == windows[:, CONTEXT:]
    np.testing.assert_array_equal(shorter["extracted"], same.all(axis=1))


def test_log_probabilities_equal_the_whole_forward_pass(model):
    windows = half_memorized(model)
    forced = forced_pass(model, windows, SUFFIX)
    ids = torch.from_numpy(windows)
    with torch.no_grad():
        expected = model(input_ids=ids).logits.log_softmax(-1)[:, :-1].gather(2, ids[:, 1:, None])[..., 0]
    np.testing.assert_allclose(forced.log_probabilities, expected[:, -SUFFIX:].numpy(), atol=1e-5)


def test_scores_do_not_depend_on_the_batch(model):
    windows = half_memorized(model)
    one = score_memorization(model, windows, CONTEXT, SUFFIX, batch_tokens=1)
    all_at_once = score_memorization(model, windows, CONTEXT, SUFFIX, batch_tokens=10**6)
    np.testing.assert_array_equal(one["extracted"], all_at_once["extracted"])
    np.testing.assert_allclose(
        one["suffix_log_probability"], all_at_once["suffix_log_probability"], atol=1e-4
    )


def test_nll_of_windows_of_unequal_length(model):
    generator = np.random.default_rng(1)
    windows = [generator.integers(1, model.config.vocab_size, n) for n in (9, 4, 9, 17, 2)]
    nll = score_perplexity(model, windows, batch_tokens=20)
    for window, found in zip(windows, nll, strict=True):
        ids = torch.from_numpy(window)[None]
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1].double()
        expected = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        assert found == pytest.approx(expected.item(), rel=1e-5)


def test_word_and_byte_perplexity_equal_lm_evaluation_harness(tmp_path):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from memprune.documents import Document
    from memprune.samples import draw_windows
    from memprune.tables import perplexity_of
    from memprune.tokenization import load_tokenizer

    folder = tiny_model("gpt_neox", "float32", tmp_path)
    model, tokenizer = load_pruned(folder, None, "float32", CPU), load_tokenizer(folder)
    texts = [
        "In the beginning — was\n\nthe word. " * 9,
        " def f(x):\n\treturn x  ",
        "Blessed are the meek" * 3,
    ]
    documents = [Document(str(i), "test", text, 1) for i, text in enumerate(texts)]
    reference = HFLM(pretrained=model, tokenizer=tokenizer, max_length=24, batch_size=2)
    requests = [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(texts)]
    log_likelihood = sum(reference.loglikelihood_rolling(requests, disable_tqdm=True))

    windows = draw_windows(documents, tokenizer, 1000, 24, seed=0)
    print(windows, perplexity_of, log_likelihood)


def test_batches_cover_all_rows():
    for count, length, tokens in [(10, 7, 20), (1, 5, 1), (8, 4, 10**6)]:
        covered = [row for rows in batches(count, length, tokens) for row in range(rows.start, rows.stop)]
        assert covered == list(range(count))


def test_a_non_finite_log_probability_names_the_row(model):
    with torch.no_grad():
        model.get_output_embeddings().weight[3] = float("nan")
    with pytest.raises(UserError, match="non-finite one at row of the samples 0"):
        score_memorization(model, half_memorized(model)[:2] * 0 + 3, CONTEXT, SUFFIX, 100)
