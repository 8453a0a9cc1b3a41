"""The draws that samples are put together from: a job each, with the settings that it uses and no others."""

from memprune.config.experiment import Config, Corpus
from memprune.corpus.local_files import local_files

CONCATENATED = "concatenated-0-0"  # the draw of concatenated text, which no seed decides
SPLITS = {
    "member": "train",
    "non_member": "test",
    "fitted": "train",
    "perplexity": "validation",
    "concatenated": "validation",
    "calibration": "train",
    "retraining": "train",
}


def member_draws(config: Config) -> list[str]:
    """The names of the draws of members, `{kind}-{seed}-{part}`: seed by seed, and of each part by part."""
    return [f"member-{seed}-{part}" for seed in config.seeds for part in range(config.member_draws)]


def first_member_draws(config: Config) -> list[str]:
    """The names of the first seed's draws of members, part by part."""
    return [name for name in member_draws(config) if name.split("-")[1] == str(config.seeds[0])]


def non_member_draws(config: Config) -> list[str]:
    """The names of the draws of non-members, seed by seed."""
    return [f"non_member-{seed}-0" for seed in config.seeds]


def fitted_draws(config: Config) -> list[str]:
    """The names of the draws of samples that methods may be fitted to, part by part; none if none are.

    They are the first seed's: a method is fitted once, and what other seeds add is measured on members.
    """
    parts = range(config.member_draws if config.samples.fitted else 0)
    return [f"fitted-{config.seeds[0]}-{part}" for part in parts]


def text_draws(config: Config) -> list[str]:
    """The names of the draws of text for methods, the first seed's: calibration, then retraining."""
    asked = [kind for kind in ("calibration", "retraining") if getattr(config, kind) is not None]
    return [text_draw(config, kind) for kind in asked]


def text_draw(config: Config, kind: str) -> str:
    """The name of the draw of one kind of text for methods."""
    return f"{kind}-{config.seeds[0]}-0"


def draws_left_out(config: Config, draw: str) -> list[str]:
    """The draws whose documents and text a draw must not have.

    Text for methods is from no sample's document, nor from that of text before it. Samples that are fitted to
    share an order with the first seed's members (see `draw_settings`), but not with other seeds'.
    """
    kind, seed, _ = draw.split("-")
    if draw in (texts := text_draws(config)):
        return [*member_draws(config), *fitted_draws(config), *texts[: texts.index(draw)]]
    return fitted_draws(config) if kind == "member" and int(seed) != config.seeds[0] else []


def draws_unlike(config: Config, draw: str) -> list[str]:
    """The draws whose text, but not documents, a draw must not have.

    Text for methods is not evaluated, and no member is a sample that is fitted to, under another name.
    """
    if draw in fitted_draws(config):
        return first_member_draws(config)
    if draw not in text_draws(config):
        return []
    return [*non_member_draws(config), perplexity_draw(config), *concatenated_draws(config)]


def perplexity_draw(config: Config) -> str:
    """The name of the draw of perplexity windows, which is the first seed's."""
    return f"perplexity-{config.seeds[0]}-0"


def all_draws(config: Config) -> list[str]:
    """The names of all draws, each after those that it depends on."""
    first = first_member_draws(config)
    members = [*first, *fitted_draws(config), *(name for name in member_draws(config) if name not in first)]
    held_out = [*non_member_draws(config), perplexity_draw(config), *concatenated_draws(config)]
    return [*members, *held_out, *text_draws(config)]


def concatenated_draws(config: Config) -> list[str]:
    """The name of the draw of concatenated text; none if none is asked for."""
    return [CONCATENATED] if config.concatenated else []


def draw_files(config: Config, draw: str) -> list[str]:
    """The local files that a draw is read from."""
    return local_files(*corpus_of(config, draw))


def counts_files(config: Config) -> list[str]:
    """The file that tells how often samples stand in the training data; none if none is given."""
    return [given] if (given := getattr(config.corpus, "counts", None)) else []


def corpus_of(config: Config, draw: str) -> tuple[Corpus, str]:
    """The corpus that a draw, told by its name or kind, is from, and which split of it.

    Text for methods is held-out text's own where members are known sequences.
    """
    kind = draw.split("-")[0]
    split = SPLITS[kind]
    of_methods = kind in ("calibration", "retraining") and config.corpus.source == "sequences"
    held_out = config.held_out is not None and (split != "train" or of_methods)
    return (config.held_out if held_out else config.corpus), split


def draw_settings(config: Config, draw: str) -> dict:
    """What a draw depends on, as JSON values; its `count` grows with the samples asked for.

    Members of several parts are taken in turn, so a part has as many as the others, or one more. Samples that
    methods may be fitted to are drawn like the first seed's members, from every second document of the same
    order. Concatenated text has no seed: it stays in the split's own order.
    """
    kind, seed, part = draw.split("-")
    corpus, split = corpus_of(config, draw)
    concatenated = kind == "concatenated"
    unused = {"parts", "counts", *SPLITS.values()} - {split} | ({"shuffle_buffer"} if concatenated else set())
    if split != "train":  # nobody asks how often unseen text stands in the training data
        unused.add("duplicates")
    settings = {
        "kind": kind,
        "split": split,
        "corpus": corpus.model_dump(exclude=unused, exclude_none=True),
        "seed": None if concatenated else int(seed),
        "part": int(part),
        "parts": config.member_draws if kind in ("member", "fitted") else 1,
    }
    samples = config.samples
    if concatenated:
        return settings | config.concatenated.model_dump()
    if kind == "perplexity":
        return settings | {"window": samples.perplexity_window, "count": samples.perplexity_windows}
    if kind in ("calibration", "retraining"):
        asked = getattr(config, kind)
        return settings | {"window": asked.tokens, "count": asked.texts}
    settings |= {"window": samples.window, "offset": samples.offset}
    if kind == "non_member":
        return settings | {"count": samples.non_members}
    asked = samples.fitted if kind == "fitted" else samples.members
    count = len(range(int(part), asked, config.member_draws))
    settings |= {"count": count, "balance_duplicates": samples.balance_duplicates}
    if config.corpus.source == "sequences":
        lengths = sorted(samples.context_lengths)
        settings |= {"known": True, "context_lengths": lengths, "suffix": samples.suffix}
    shared = samples.fitted and int(seed) == config.seeds[0]
    return settings | ({"every_second": int(kind == "fitted")} if shared else {})
