"""What of an experiment's configuration does not go together: each check raises ValueError, in words.

Sections check themselves; here is what concerns several of them.
"""

import os
from typing import TYPE_CHECKING

from memprune.config.corpora import HubCorpus
from memprune.variants.names import split_variant

if TYPE_CHECKING:
    from memprune.config.experiment import Config

# What has to be drawn for each input of a method.
DRAWN = {
    "activations": ("calibration",),
    "calibration": ("calibration",),
    "gradients": ("samples.fitted", "calibration"),
    "retraining": ("retraining",),
}


def check_store(config: "Config") -> None:
    if os.path.realpath(config.store) == os.path.realpath(f"results/{config.experiment}"):
        raise ValueError(
            f"store: found {config.store}, the folder of the experiment's results; give another folder"
        )


def check_splits(config: "Config") -> None:
    for name, corpus, splits in (
        ("corpus", config.corpus, ["train"] if config.held_out else ["train", "validation", "test"]),
        ("held_out", config.held_out, ["validation", "test"]),
    ):
        lacking = [split for split in splits if getattr(corpus, split, None) == []]
        if lacking:
            other = ", or held_out" if name == "corpus" and lacking[0] != "train" else ""
            raise ValueError(f"{name}.{lacking[0]}: found no file; give a list of one at least{other}")
    if config.member_draws > config.samples.members:
        raise ValueError(
            f"corpus.parts: found {config.member_draws}, "
            f"allowed: at most samples.members, {config.samples.members}"
        )
    if 0 < config.samples.fitted < config.member_draws:
        raise ValueError(
            f"samples.fitted: found {config.samples.fitted}, allowed: 0, or at least corpus.parts, "
            f"{config.member_draws}"
        )
    if config.corpus.source == "hub" and config.samples.balance_duplicates:
        raise ValueError(
            "samples.balance_duplicates: found true with corpus.source hub, a stream that would be read "
            "to its end; allowed: false, or another source"
        )
    if isinstance(config.held_out, HubCorpus) and config.held_out.parts > 1:
        raise ValueError(
            f"held_out.parts: found {config.held_out.parts}; only members are drawn in parts, from corpus"
        )


def check_tokens(config: "Config") -> None:
    if config.corpus.source != "tokens":
        return
    if config.held_out is None:
        raise ValueError(
            "held_out: missing, and a corpus of tokens has no text for non-members and perplexity; give "
            "a corpus of texts"
        )
    if config.samples.balance_duplicates:
        raise ValueError(
            "samples.balance_duplicates: found true, but a corpus of tokens would be read to its end; leave "
            "it out"
        )


def check_duplicates(config: "Config") -> None:
    for key in ("duplicates", "counts"):
        if getattr(config.held_out, key, None) is not None:
            raise ValueError(
                f"held_out.{key}: found {getattr(config.held_out, key)}; only members are counted, in corpus"
            )
    corpus = config.corpus
    if None in (getattr(corpus, "duplicates", None), getattr(corpus, "counts", None)):
        return
    raise ValueError(
        f"corpus.counts: found {corpus.counts}, and corpus.duplicates {corpus.duplicates}; give one of them"
    )


def check_sequences(config: "Config") -> None:
    corpus, samples = config.corpus, config.samples
    if corpus.source != "sequences":
        return
    if config.held_out is None:
        raise ValueError(
            "held_out: missing, and known sequences have no text for non-members and perplexity; give a "
            "corpus of texts"
        )
    if unknown := [name for name in corpus.published if name not in config.models]:
        raise ValueError(
            f"corpus.published: found scores of {unknown[0]}, allowed: models of the experiment: "
            f"{', '.join(config.models)}"
        )
    if samples.offset is not None and corpus.tells_suffix:
        raise ValueError(
            f"samples.offset: found {samples.offset}, but each row of corpus tells where its suffix begins; "
            "leave it out"
        )
    if samples.balance_duplicates and corpus.duplicates is None:
        raise ValueError(
            "samples.balance_duplicates: found true, but corpus.duplicates names no column that counts "
            "them; leave it out"
        )
    texts = [kind for kind in ("calibration", "retraining") if getattr(config, kind) is not None]
    if texts and getattr(config.held_out, "train", None) == []:
        raise ValueError(
            f"held_out.train: found no file, but {texts[0]} is from there, since known sequences are no "
            "ordinary training text; give a list of one at least"
        )


def check_controls(config: "Config") -> None:
    for name, model in config.models.items():
        control = config.models.get(model.control)
        if model.control is None:
            continue
        found = f"models.{name}.control: found {model.control}"
        if model.control == name:
            raise ValueError(f"{found}, the model itself; give another model of the experiment")
        if control is None:
            others = ", ".join(other for other in config.models if other != name)
            raise ValueError(f"{found}, allowed: another model: {others or 'none is there; add it'}")
        if control.control is not None:
            raise ValueError(f"{found}, which has a control itself; give a model that has none")
        if control.levels is not None:
            raise ValueError(
                f"models.{model.control}.levels: found {control.levels}, but it is the control of "
                f"{name}, and a control is not pruned; leave them out"
            )


def check_levels(config: "Config") -> None:
    if any(name.casefold() == "dense" for name in config.strategies):
        raise ValueError("strategies: `dense` is the unpruned model, evaluated by itself; rename it")
    for name, strategy in config.strategies.items():
        own = config.studied if strategy.levels is None else []
        lacking = [model for model in own if not config.models[model].levels]
        if lacking:
            raise ValueError(
                f"strategies.{name}.levels: missing, and model {lacking[0]} has no levels either; "
                "give a list of numbers above 0 and at most 1"
            )


def check_chains(config: "Config") -> None:
    after = {name: strategy.after for name, strategy in config.strategies.items() if strategy.after}
    for name, variant in after.items():
        for model in config.studied:
            if variant not in (known := config.variants(model)[1:]):
                allowed = ", ".join(own for own in known if split_variant(own)[0] != name) or "none, add one"
                raise ValueError(
                    f"strategies.{name}.after: found {variant}, allowed for model {model}: {allowed}"
                )
    for name, variant in after.items():
        seen, before = [name], split_variant(variant)[0]
        while before in after and before not in seen:
            seen.append(before)
            before = split_variant(after[before])[0]
        if before in seen:
            loop = " after ".join([*seen, before])
            raise ValueError(
                f"strategies.{name}.after: found {variant}, which loops: {loop}; give one of them no after"
            )


def check_inputs(config: "Config") -> None:
    given = {
        "calibration": config.calibration,
        "retraining": config.retraining,
        "samples.fitted": config.samples.fitted,
    }
    for name, strategy in config.strategies.items():
        for key in (key for kind in strategy.inputs for key in DRAWN.get(kind, ())):
            if not given[key]:
                raise ValueError(f"strategies.{name}: found no {key}, which its method needs; add it")


def check_generation(config: "Config") -> None:
    if config.generation is None:
        return
    for key in ("members", "non_members"):
        if config.generation.samples > (drawn := getattr(config.samples, key)):
            raise ValueError(
                f"generation.samples: found {config.generation.samples}, allowed: at most samples.{key}, "
                f"{drawn}"
            )


def check_reference(config: "Config") -> None:
    reference = config.membership.reference if config.membership else None
    if reference is not None and reference not in config.models:
        raise ValueError(
            f"membership.reference: found {reference}, allowed: a model of the experiment: "
            f"{', '.join(config.models)}"
        )


def check_perturbed(config: "Config") -> None:
    longest = max(config.samples.context_lengths)
    for share in config.perturbed.shares if config.perturbed else ():
        if not 0 < round(share * longest) < longest:
            raise ValueError(
                f"perturbed.shares: found {share}, which replaces {round(share * longest)} tokens of the "
                f"longest context of {longest}; allowed: shares that replace some, but not all"
            )


def check_consistency(config: "Config") -> None:
    """Raise ValueError for the first thing that does not go together."""
    for check in (
        check_store,
        check_splits,
        check_tokens,
        check_duplicates,
        check_sequences,
        check_controls,
        check_levels,
        check_chains,
        check_inputs,
        check_generation,
        check_reference,
        check_perturbed,
    ):
        check(config)
