#!/bin/sh
# Calibrates a model in shards, so many at a time on this machine, with GNU parallel:
#
#   SHARDS=8 ./parallel.sh model/ model.stats --trajectories 64
#
# What follows the two paths goes to `tfjs-hadanorm calibrate`. JOBS: how many run at a time (one a
# core). HADANORM: the command, such as 'npx tfjs-hadanorm'.
set -eu

model=$1
out=$2
shift 2
shards=${SHARDS:-4}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# a shard that fails ends the others; those that were done would be of no use
seq "$shards" | parallel --will-cite --halt now,fail=1 --jobs "${JOBS:-100%}" \
  --quote ${HADANORM:-tfjs-hadanorm} calibrate "$model" "$@" \
  --shard "{}/$shards" --out "$parts/{}.stats"

# by their numbers, so that the sums are added in one order
set --
for i in $(seq "$shards"); do set -- "$@" "$parts/$i.stats"; done
${HADANORM:-tfjs-hadanorm} merge "$@" --out "$out" --force
