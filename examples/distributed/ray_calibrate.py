"""Calibrates a model in shards on a Ray cluster, and merges their statistics.

    ray job submit -- python ray_calibrate.py model/ model.stats --shards 8 -- --trajectories 64

The model must lie at the same path, or have a URL, on every node; Node.js and the packages must be
there too. Statistics come back through Ray, so that no disk needs to be shared. What follows `--`
goes to `tfjs-hadanorm calibrate`.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import ray

COMMAND = shlex.split(os.environ.get("HADANORM", "npx tfjs-hadanorm"))


@ray.remote(num_cpus=1, max_retries=2)
def calibrate(model: str, shard: int, shards: int, flags: list[str], command: list[str]) -> bytes:
    """The statistics of one shard; a node that is lost is replaced by another."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.stats"
        part = ["--shard", f"{shard}/{shards}", "--out", str(out)]
        run = [*command, "calibrate", model, *flags, *part]
        done = subprocess.run(run, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"shard {shard} of {shards}: {done.stderr.strip()}")
        return out.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--shards", type=int, default=4)
    own, _, flags = split_at_dashes(sys.argv[1:])
    given = parser.parse_args(own)
    ray.init()
    shards = range(1, given.shards + 1)
    parts = ray.get(
        [calibrate.remote(given.model, i, given.shards, flags, COMMAND) for i in shards]
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.stats" for i in shards]
        for file, part in zip(files, parts):
            file.write_bytes(part)
        merge = [*COMMAND, "merge", *map(str, files), "--out", given.out, "--force"]
        subprocess.run(merge, check=True)


def split_at_dashes(args: list[str]) -> tuple[list[str], str, list[str]]:
    at = args.index("--") if "--" in args else len(args)
    return args[:at], "--", args[at + 1 :]


if __name__ == "__main__":
    main()
