#!/bin/sh
# Write requirements.lock and requirements-test.lock from what their .in files install today.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
pip="$folder/venv/bin/pip"
"$pip" install --quiet --no-compile -r requirements.in
# A local build's suffix (+cpu) would bind every machine to that build.
"$pip" freeze | sed 's/+cpu$//' | sort -f > "$folder/run"
"$pip" install --quiet --no-compile -c "$folder/run" -r requirements.in -r requirements-test.in
"$pip" freeze | sed 's/+cpu$//' | sort -f > "$folder/all"
{ echo "# Exact versions of requirements.in, for Python 3.11 and newer. Made by \`make lock\`."; cat "$folder/run"; } > requirements.lock
{ echo "# Exact versions of requirements-test.in beyond requirements.lock. Made by \`make lock\`."; grep -vxFf "$folder/run" "$folder/all"; } > requirements-test.lock
