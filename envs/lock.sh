#!/bin/sh
# Write requirements.lock and requirements-test.lock from what their .in files install together today.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A local build's suffix (+cpu) would bind every machine to that build.
freeze() { "$1/bin/pip" freeze | sed 's/+cpu$//' | sort -f; }

${PYTHON:-python3} -m venv "$folder/all"
"$folder/all/bin/pip" install --quiet --no-compile -r requirements.in -r requirements-test.in
freeze "$folder/all" > "$folder/all.txt"
${PYTHON:-python3} -m venv "$folder/run"
"$folder/run/bin/pip" install --quiet --no-compile -c "$folder/all.txt" -r requirements.in
freeze "$folder/run" > "$folder/run.txt"
{ echo "# Exact versions of requirements.in, for Python 3.11 and newer. Made by \`make lock\`."; cat "$folder/run.txt"; } > requirements.lock
{ echo "# Exact versions of requirements-test.in beyond requirements.lock. Made by \`make lock\`."; grep -vxFf "$folder/run.txt" "$folder/all.txt"; } > requirements-test.lock
