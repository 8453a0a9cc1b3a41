"""Results that are stale although Snakemake does not see it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model

from memprune.jobs.failures import failures
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning.stale import changed_model, no_longer_fetched, stale_results
from memprune.store.fingerprints import fingerprint


@pytest.fixture(autouse=True)
def chain(tmp_path, monkeypatch) -> dict[str, list[str] | None]:
    """A chain of three results, the last from a link, with what Snakemake recorded of them."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["source", "middle", "stored", "last"]):
        Path(name).write_text(name)
        os.utime(name, (100 + number, 100 + number))
    Path("link").symlink_to("stored")
    os.utime("link", (102, 102), follow_symlinks=False)
    return {"middle": ["source"], "link": ["middle"], "last": ["link", "middle"]}


def test_what_is_whole_is_not_stale(chain):
    assert stale_results(chain, chain.get) == {}


def test_what_does_not_exist_is_not_stale_but_missing(chain):
    os.unlink("last")
    assert stale_results(chain, chain.get) == {}


def test_a_missing_file_in_the_middle_makes_what_was_made_from_it_stale(chain):
    os.unlink("middle")
    assert stale_results(chain, chain.get) == dict.fromkeys(
        ["link", "last"], "middle, from which it was made, is missing"
    )


def test_a_link_to_nothing_is_missing(chain):
    os.unlink("stored")
    assert stale_results(chain, chain.get) == {"last": "link, from which it was made, is missing"}


def test_a_link_that_was_placed_later_makes_stale_however_old_its_target_is(chain):
    os.unlink("link")
    Path("older").write_text("older")
    os.utime("older", (1, 1))
    Path("link").symlink_to("older")
    assert stale_results(chain, chain.get) == {"last": "link, from which it is made, is another since"}


@given(st.sets(st.sampled_from(["middle", "link", "last"])))
def test_what_has_no_record_is_stale(lost):
    chain = {"middle": ["source"], "link": ["middle"], "last": ["link", "middle"]}
    found = stale_results(chain, {name: own for name, own in chain.items() if name not in lost}.get)
    assert found == dict.fromkeys(lost, "Snakemake has no record of it")


def test_a_manifest_describes_its_model_until_a_file_has_another_content(tmp_path):
    folder = tiny_model("llama", "float16", tmp_path / "model")
    write_manifest(resolve_model("tiny", folder), "manifest.json")
    assert changed_model("manifest.json") is None
    for path in folder.iterdir():
        path.touch()
    assert changed_model("manifest.json") is None
    path = folder / "tokenizer_config.json"
    about, before = path.stat(), fingerprint(path)
    path.write_text(path.read_text() + " ")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert fingerprint(path) != before
    assert changed_model("manifest.json") == f"{path} has changed"
    path.unlink()
    assert changed_model("manifest.json") == f"{path} is missing"
    Path("manifest.json").write_text("{")
    assert changed_model("manifest.json") == "it cannot be read"


def test_a_model_that_was_cleaned_from_the_hubs_cache_is_to_be_fetched_again(tmp_path):
    folder = tiny_model("opt", "float16", tmp_path / "model")
    Path("fetched.json").write_text(f'{{"folder": "{folder}"}}')
    assert no_longer_fetched("fetched.json") is None
    (folder / "model.safetensors").unlink()
    assert no_longer_fetched("fetched.json") == f"{folder} lacks model.safetensors"
    Path("fetched.json").write_text("[]")
    assert no_longer_fetched("fetched.json") == "it cannot be read"


def test_the_last_words_of_failed_jobs():
    Path("a.log").write_text("reading\nerror: models.a: no\n")
    Path("b.log").write_text("Traceback (most recent call last):\n  File\nKeyError: 'b'\n")
    told = "(check log file(s) for error details)"
    Path("snakemake.log").write_text(
        f"Error in rule a:\n    log: a.log {told}\nError in rule b:\n    log: b.log {told}\n"
        f"    log: finished.log\nError in rule a:\n    log: a.log {told}\n    log: none.log {told}\n"
    )
    first, second, third = failures(["snakemake.log"])
    assert first == "error: models.a: no"
    assert second.splitlines() == [
        "b.log:",
        "  Traceback (most recent call last):",
        "    File",
        "  KeyError: 'b'",
    ]
    assert third.startswith("error: none.log: its job did not say why it ended")
