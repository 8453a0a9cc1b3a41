"""One forced pass says what decoding, another implementation and plain arithmetic say."""

import re

import numpy as np
import pytest
import torch
from conftest import FAMILIES, tiny_model
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
from lm_eval.models.huggingface import HFLM
from safetensors.torch import load_file
from test_masks import write_mask_of

from memprune.config import Strategy
from memprune.documents import Document
from memprune.errors import UserError
from memprune.evaluation import perplexity_task, score_tasks
from memprune.masks import read_mask
from memprune.models import resolve_model
from memprune.pruned_model import load_pruned
from memprune.samples import draw_windows
from memprune.scoring import batches, forced_pass, score_memorization, score_perplexity
from memprune.tables import perplexity_table
from memprune.tokenization import load_tokenizer

CPU = torch.device("cpu")
CONTEXT, SUFFIX = 12, 8


def greedy(model, context: np.ndarray, length: int) -> np.ndarray:
    """The tokens that `generate` appends to `context` (rows × tokens) with greedy decoding and KV cache."""
    ids = torch.from_numpy(context.astype(np.int64))
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
    scored = np.array([8, 1, 3, 16, 1])
    nll = score_perplexity(model, windows, scored, batch_tokens=20)
    for window, count, found in zip(windows, scored, nll, strict=True):
        ids = torch.from_numpy(window)[None]
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1].double()
        expected = torch.nn.functional.cross_entropy(logits[-count:], ids[0, -count:], reduction="sum")
        assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("window", [24, 125])
def test_word_and_byte_perplexity_equal_lm_evaluation_harness(window, tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path)
    model, tokenizer = load_pruned(folder, None, "float32", CPU), load_tokenizer(folder)
    texts = [
        # No text repeats itself: the harness takes two windows of the same tokens for one.
        " ".join(f"In the beginning — was\n\nthe word {number**3}." for number in range(9)),
        " def f(x):\n\treturn x  ",
        "Blessed are the meek: for they shall inherit the earth.",
    ]
    documents = [Document(str(i), "test", text, 1) for i, text in enumerate(texts)]

    reference = HFLM(pretrained=model, tokenizer=tokenizer, max_length=window, batch_size=2)
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


def test_batches_cover_all_rows():
    for count, length, tokens in [(10, 7, 20), (1, 5, 1), (8, 4, 10**6)]:
        covered = [row for rows in batches(count, length, tokens) for row in range(rows.start, rows.stop)]
        assert covered == list(range(count))


def test_a_non_finite_log_probability_names_the_row(model):
    with torch.no_grad():
        model.get_output_embeddings().weight[3] = float("nan")
    with pytest.raises(UserError, match="non-finite one at row 0 of those scored"):
        score_memorization(model, half_memorized(model)[:2] * 0 + 3, CONTEXT, SUFFIX, 100)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_model_evaluated_is_the_checkpoint_times_the_mask(family, dtype, tmp_path):
    folder = tiny_model(family, dtype, tmp_path / "model")
    manifest = resolve_model("tiny", folder)
    selection, path = Strategy(matrices="attention").selection, tmp_path / "mask.safetensors"
    write_mask_of(manifest, selection, 0.4, path)
    masks, weights = read_mask(path), load_file(folder / "model.safetensors")
    model = load_pruned(folder, path, dtype, CPU)
    parameters = dict(model.named_parameters())
    assert len(masks) == sum(m.role in selection.roles for m in manifest.matrices)
    for name, weight in weights.items():
        if name == "embed_out.weight":  # transformers 5 calls GPT-NeoX's head lm_head
            name = "lm_head.weight"
        parameter = parameters.get(name, parameters.get(f"{model.base_model_prefix}.{name}"))
        expected = weight * masks[name] if name in masks else weight
        assert torch.equal(parameter, expected.to(parameter.dtype)), name
    zeros = sum(int((parameters[name] == 0).sum()) for name in masks)
    assert zeros >= round(0.4 * sum(weights[name].numel() for name in masks))
