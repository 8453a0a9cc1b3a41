"""Finetuning gives the same bits twice, and when it was killed and goes on."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from finetuned import SETTINGS, asked_of, pruned
from tiny_models import tiny_model

from memprune.methods import finetune, trainable, training_loop, training_state
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2"])
def test_the_same_bits_twice_and_after_deaths(family, tmp_path, monkeypatch):
    manifest = resolve_model("tiny", tiny_model(family, "float16", tmp_path / "model", layers=2))
    asked = asked_of(manifest, tmp_path, before=[pruned(manifest, tmp_path)])
    finetune.make(asked, tmp_path / "whole")
    finetune.make(asked, tmp_path / "again")
    finetune.make(replace(asked, settings={**SETTINGS, "seed": 4}), tmp_path / "other")
    monkeypatch.setattr(training_state, "PAUSE", 0)
    monkeypatch.setattr(training_state, "SHARE", 0)
    steps = []

    def dies(*arguments) -> float:
        steps.append(len(steps))
        if len(steps) in (3, 5):
            raise KeyboardInterrupt
        return trainable.add_gradients(*arguments)

    monkeypatch.setattr(training_loop, "add_gradients", dies)
    dying = replace(asked, unfinished=tmp_path / "unfinished")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            finetune.make(dying, tmp_path / "resumed")
    finetune.make(dying, tmp_path / "resumed")
    assert len(steps) == 6 + 2
    whole = (tmp_path / "whole").read_bytes()
    assert (tmp_path / "again").read_bytes() == whole
    assert (tmp_path / "resumed").read_bytes() == whole
    assert (tmp_path / "other").read_bytes() != whole


def test_a_job_goes_on_from_its_own_state_and_leaves_none(tmp_path, monkeypatch):
    folder = tmp_path / "store/tmp"
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(training_state, "PAUSE", 0)
    monkeypatch.setattr(training_state, "SHARE", 0)
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model", layers=2))
    write_manifest(manifest, tmp_path / "manifest.json")
    steps, dies_at = [], 3

    def dies(*arguments) -> float:
        steps.append(len(steps))
        if len(steps) == dies_at:
            raise KeyboardInterrupt
        return trainable.add_gradients(*arguments)

    monkeypatch.setattr(training_loop, "add_gradients", dies)

    def run(steps: int) -> None:
        spec = {
            "modules": ["memprune.methods.finetune"],
            "settings": SETTINGS,
            "level": steps,
            "device": "cpu",
        }
        given = {
            "strategy": "tuned",
            "manifest": tmp_path / "manifest.json",
            "inputs": f"retraining={asked_of(manifest, tmp_path).inputs['retraining']}",
            "spec": json.dumps(spec),
            "threads": 1,
            "change": tmp_path / "change",
            "zeros": tmp_path / "zeros.csv",
        }
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["compute_change.py", *words])
        runpy.run_path(str(SCRIPTS / "compute_change.py"), run_name="__main__")

    with pytest.raises(KeyboardInterrupt):
        run(6)
    [left] = folder.glob("unfinished-*")
    run(4)  # of other settings: from its own beginning
    assert list(folder.glob("unfinished-*")) == [left]
    run(6)
    assert len(steps) == 3 + 4 + 4
    assert not list(folder.iterdir())


def test_a_state_that_cannot_be_read_is_passed_over(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model", layers=2))
    asked = asked_of(manifest, tmp_path, unfinished=tmp_path / "unfinished")
    finetune.make(asked, tmp_path / "whole")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / training_state.FILE).write_bytes(b"half a file")
    finetune.make(asked, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "whole").read_bytes()
