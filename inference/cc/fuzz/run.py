"""Builds the fuzz targets and runs each for some time:  python run.py --seconds 600

Needs clang with libFuzzer (Debian: clang and libclang-rt-dev) and cmake. What is worth keeping is
kept in --build: inputs in corpus/TARGET, from which the next run goes on, and inputs that failed in
failures/, each of which `fuzz_TARGET FILE` shows again.
"""

import os
import re
import shutil
import subprocess
import sys

import _top
from cli import Parser, UserError, run_command

HERE = os.path.dirname(os.path.abspath(__file__))

# Bytes of an input at most. A model's header may ask for no more memory than MEMORY, no input for
# more time than TIMEOUT.
TARGETS = {
    "model": 80_000,
    "columns": 2_000,
    "documents": 2_000,
    "lines": 2_000,
    "wordpiece": 2_000,
    "json": 60_000,
}
MEMORY, TIMEOUT = 16, 60  # MB at once; seconds by the clock, so that a busy machine is no failure


def links_with_fuzzer(clang):
    """Whether a compiler has libFuzzer and AddressSanitizer."""
    source = (
        b'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
    )
    command = [clang, "-x", "c++", "-", "-fsanitize=fuzzer,address", "-o", os.devnull]
    return subprocess.run(command, input=source, capture_output=True).returncode == 0


def find_clang():
    """clang++ that links with libFuzzer, or None."""
    for name in ["clang++", *(f"clang++-{version}" for version in range(30, 10, -1))]:
        path = shutil.which(name)
        if path and links_with_fuzzer(path):
            return path
    return None


def build(folder, clang):
    """Builds the fuzz targets in `folder`."""
    cmake = shutil.which("cmake") or os.path.join(os.path.dirname(sys.executable), "cmake")
    for command in (
        [
            cmake,
            "-S",
            os.path.join(_top.ROOT, "inference", "cc"),
            "-B",
            folder,
            f"-DCMAKE_CXX_COMPILER={clang}",
            "-DETAGGER_FUZZ=ON",
            "-DETAGGER_TENSORFLOW=OFF",
            f"-DPython3_EXECUTABLE={sys.executable}",
        ],
        [cmake, "--build", folder, "-j2", "--target", *(f"fuzz_{target}" for target in TARGETS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last_line = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
            raise UserError(f"the fuzz targets cannot be built: {last_line}")


def fuzz(folder, target, seconds):
    """Runs a target. Returns what it says, and whether it found nothing."""
    places = {name: os.path.join(folder, name, target) for name in ("corpus", "seeds")}
    failures = os.path.join(folder, "failures")
    for place in (places["corpus"], failures):
        os.makedirs(place, exist_ok=True)
    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={TARGETS[target]}",
        f"-malloc_limit_mb={MEMORY}",
        "-rss_limit_mb=1000",
        f"-timeout={TIMEOUT}",
        f"-artifact_prefix={failures}/{target}-",
        "-print_final_stats=1",
    ]
    if target in ("model", "json"):
        flags.append(f"-dict={folder}/seeds/json.dict")
    done = subprocess.run(
        [os.path.join(folder, f"fuzz_{target}"), places["corpus"], places["seeds"], *flags],
        capture_output=True,
        text=True,
        errors="replace",
    )
    return done.stderr, done.returncode == 0


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--seconds", type=int, default=600, help="how long each target runs (default 600)"
    )
    parser.add_argument(
        "--build",
        default=os.path.join(_top.ROOT, "inference", "cc", "build", "fuzz"),
        help="folder for all that is made",
    )
    parser.add_argument(
        "--targets", nargs="+", choices=TARGETS, default=list(TARGETS), help="which (default all)"
    )
    args = parser.parse_args()
    clang = find_clang()
    if not clang:
        raise UserError("no clang++ with libFuzzer found; install clang and libclang-rt-dev")
    build(args.build, clang)
    subprocess.run(
        [sys.executable, os.path.join(HERE, "fuzz_seeds.py"), os.path.join(args.build, "seeds")],
        check=True,
    )
    whole = True
    for target in args.targets:
        said, sound = fuzz(args.build, target, args.seconds)
        count, slowest, covered = (
            int((re.findall(rf"{name}: +(\d+)", said) or [0])[-1])
            for name in ("number_of_executed_units", "slowest_unit_time_sec", "cov")
        )
        print(
            f"fuzz_{target}: {count:,} inputs in {args.seconds} s, the slowest {slowest} s, "
            f"{covered} edges, {'nothing found' if sound else 'FAILED'}",
            flush=True,
        )
        if not sound:
            print(said[-4000:], file=sys.stderr)
            whole = False
    return 0 if whole else 1


if __name__ == "__main__":
    run_command(main)
