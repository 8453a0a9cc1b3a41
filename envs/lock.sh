#!/bin/sh
# Write the locks from what the .in files install together today, with the hashes of all files on PyPI.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A local build's suffix (+cpu) would bind every machine to that build.
freeze() { "$1/bin/pip" freeze | sed 's/+cpu$//' | sort -f; }
hashed() {
  "$folder/uv/bin/uv" pip compile --quiet --generate-hashes --no-deps --universal --python-version 3.11 \
    --no-header --no-annotate --default-index https://pypi.org/simple -
}

${PYTHON:-python3} -m venv "$folder/uv"
"$folder/uv/bin/pip" install --quiet uv
${PYTHON:-python3} -m venv "$folder/all"
"$folder/all/bin/pip" install --quiet --no-compile -r requirements.in -r requirements-test.in
freeze "$folder/all" > "$folder/all.txt"
${PYTHON:-python3} -m venv "$folder/run"
"$folder/run/bin/pip" install --quiet --no-compile -c "$folder/all.txt" -r requirements.in
# What PyPI's torch takes for CUDA, and another build does not, goes with torch.
freeze "$folder/run" | grep -v -e '^nvidia-' -e '^cuda-' -e '^triton==' > "$folder/run.txt"
{ echo "# The version of torch, of which each machine installs its own build. Made by \`make lock\`."; grep '^torch==' "$folder/run.txt"; } > torch.lock
{ echo "# Exact versions of requirements.in but torch, for Python 3.11 and newer. Made by \`make lock\`."; grep -v '^torch==' "$folder/run.txt" | hashed; } > requirements.lock
{ echo "# Exact versions of requirements-test.in beyond requirements.lock. Made by \`make lock\`."; grep -vxFf "$folder/run.txt" "$folder/all.txt" | grep -v -e '^nvidia-' -e '^cuda-' -e '^triton==' | hashed; } > requirements-test.lock
