#!/bin/bash
# Stop the SLURM that start.sh has started in FOLDER, and what still runs on it.
# usage: stop.sh FOLDER
set -uo pipefail
export SLURM_CONF=$1/slurm.conf
scancel --state=PENDING,RUNNING --user="$(id -un)" 2> /dev/null
for _ in $(seq 50); do
  [ -z "$(squeue -h 2> /dev/null)" ] && break
  sleep 0.1
done
for pid in "$1"/n*.pid "$1"/slurmctld.pid; do
  [ -f "$pid" ] && kill "$(cat "$pid")"
done
true
