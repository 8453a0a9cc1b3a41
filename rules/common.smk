"""The checked configuration, and the few names that the rules share."""

import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.utils import update_config

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from memprune import config as configuration
from memprune.errors import UserError

DEFAULT_CONFIG = Path(workflow.basedir) / "config/embedded.yaml"


def read_config():
    """The checked configuration: the files given by --configfile, else the default one; then --config."""
    try:
        if workflow.configfiles:
            return configuration.check(config, ", ".join(map(str, workflow.configfiles)))
        content = configuration.read_yaml(DEFAULT_CONFIG)
        update_config(content, config)
        return configuration.check(content, "config/embedded.yaml")
    except UserError as error:
        sys.exit(f"error: {error}")


CONFIG = read_config()
RESULTS = f"results/{CONFIG.experiment}"
PYTHON = f"PYTHONUNBUFFERED=1 {sys.executable} {SCRIPTS}"


def canonical(settings):
    """The settings as one JSON string that is the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


wildcard_constraints:
    model="|".join(map(re.escape, CONFIG.models)),
    strategy="|".join(map(re.escape, CONFIG.strategies)),
    level=r"0\.\d+|\d(\.\d+)?e-\d+",
    variant="dense|(" + "|".join(map(re.escape, CONFIG.strategies)) + r")@[^/]+",
