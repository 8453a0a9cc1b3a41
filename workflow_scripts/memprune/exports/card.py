"""The card of an exported variant: its README.md, which says what was done to which model."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml

from memprune.models.manifest import Manifest
from memprune.models.roles import FUSED, FUSED_ROLES
from memprune.variants.achieved import achieved
from memprune.variants.changes import About, about_change
from memprune.variants.names import level_text, split_variant

TOOL = "memprune"
CHANGED = f"{TOOL} has changed weights of this model; the table says how."
DENSE = f"The model as it is: {TOOL} has changed no weight."
WORDS = {
    "roles": "matrices",
    "heads": "heads, as [layer, head]",
    "allocation": "where the sparsity holds",
}  # of settings
LOADING = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```"""


def model_card(
    manifest: Manifest,
    variant: str,
    changes: Sequence[Path],
    fetched: Mapping[str, str] | None,
    files: Mapping[str, bool],
) -> str:
    """The card as Markdown, with the front matter that the Hub reads.

    `fetched` is the record of having fetched the model from the Hub, None of a local one, whose place is
    nobody's concern; `files` are the exported ones, each with whether a tensor in it was changed.
    """
    front = {"base_model": fetched["repo"]} if fetched else {}
    front |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    front["tags"] = [TOOL, "pruning"] if changes else [TOOL]
    facts = base_model(manifest, fetched) | (changed(manifest, variant, changes) if changes else {})
    return "\n".join(
        [
            "---",
            f"{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
            f"# {manifest.model}, {variant}\n",
            f"{CHANGED if changes else DENSE}\n",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            f"- Files with changed weights, otherwise as in the base model: {listed(files, True)}.",
            f"- Files of the base model, to the byte: {listed(files, False)}.\n",
            f"{LOADING}\n",
            "The licence is that of the base model.\n",
        ]
    )


def listed(files: Mapping[str, bool], changed: bool) -> str:
    """The names of the files that were changed, or of those that were not."""
    return ", ".join(f"`{name}`" for name, is_changed in files.items() if is_changed == changed) or "none"


def base_model(manifest: Manifest, fetched: Mapping[str, str] | None) -> dict[str, str]:
    """What is known of the model that the variant was made from, in words."""
    place = (
        f"{fetched['repo']}, revision {fetched['revision']}, commit {fetched['commit']}" if fetched else ""
    )
    return {
        "base model": place or f"{manifest.model}, a local folder",
        "fingerprint of its weights": f"`{manifest.fingerprint}`",
        "family": manifest.architecture.family,
        "dtype of the weights": manifest.dtype,
    }


def changed(manifest: Manifest, variant: str, changes: Sequence[Path]) -> dict[str, str]:
    """How the variant was made and what that came to, in words; settings of several changes are numbered."""
    strategy, asked = split_variant(variant)
    found, abouts = achieved(manifest, changes), [about_change(change) for change in changes]
    told = [settings_in_words(manifest, about) for about in abouts]
    return {
        "strategy": strategy,
        "level": f"{abouts[-1].level!r}, found for {asked}" if isinstance(asked, str) else level_text(asked),
        **{
            f"{number}. {name}" if len(told) > 1 else name: words
            for number, settings in enumerate(told, start=1)
            for name, words in settings.items()
        },
        "achieved sparsity in scope": f"{found.sparsity:.6f}",
        "share of all prunable weights removed": f"{found.removed:.6f}",
    }


def settings_in_words(manifest: Manifest, about: About) -> dict[str, str]:
    """What a change is and the settings that it was made with, by their names in words."""
    settings = {**about.settings, **about.settings.get("scope", {})}
    if "roles" in settings:
        settings["roles"] = changed_roles(manifest, about, settings["roles"])
    words = {"kind of change": about.kind, "level of the change": level_text(about.level)}
    for name, value in settings.items():
        if name != "scope":
            listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            words[WORDS.get(name, name.replace("_", " "))] = listed
    return words


def changed_roles(manifest: Manifest, about: About, named: Collection[str]) -> list[str]:
    """The roles that a change is for: of its matrices, or of the parts of a fused one that were named."""
    roles = {m.role for m in manifest.matrices if m.name in about.shapes}
    if FUSED in roles and FUSED not in named:
        roles = roles - {FUSED} | {role for role in FUSED_ROLES if role in named}
    return sorted(roles)
