#!/usr/bin/env python3
"""Builds tests/portable for several targets, runs it, and compares what it prints: one value means equal on every machine.

    .ci/targets.py                      every target that this machine can build and run
    .ci/targets.py --all                the same, with every file of samples/ (emulators take minutes for them)
    .ci/targets.py i686-unknown-linux-gnu   this one only; it is an error if it cannot be built or run
    .ci/targets.py --install ...        installs the Debian packages that are missing first, as root
    .ci/targets.py --write TARGET       writes what this target prints to tests/golden/portable.txt

Results are compared with each other and with tests/golden/portable.txt.

The standard library of a target comes from the toolchain if it has it. Otherwise it is built from source with Debian's Rust
(the package rustc-web), which is unpacked below target/foreign and not installed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = ROOT / "target" / "foreign"
GOLDEN = ROOT / "tests" / "golden" / "portable.txt"
RUST = FOREIGN / "rust" / "usr"
PROGRAM = "aecodec-portable"
NODE = """
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';
const [program, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [program, ...args], preopens: { '/': folder } });
const module = await WebAssembly.compile(readFileSync(program));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
"""
# The standard library refers to threads, which the C library of WebAssembly in Debian lacks: each is refused.
THREADS = """
#include <errno.h>
int pthread_attr_init(void *attributes) { return 0; }
int pthread_attr_setstacksize(void *attributes, unsigned long size) { return 0; }
int pthread_attr_destroy(void *attributes) { return 0; }
int pthread_create(void *thread, const void *attributes, void *(*run)(void *), void *argument) { return EAGAIN; }
int pthread_join(void *thread, void **result) { return EINVAL; }
int pthread_detach(void *thread) { return EINVAL; }
"""


@dataclass
class Target:
    """A target: its C compiler and linker, the program that runs what was built, and the Debian packages of both."""

    triple: str
    packages: str = ""
    cc: str = "cc"
    runner: list = field(default_factory=list)
    flags: str = ""
    cflags: str = ""
    env: dict = field(default_factory=dict)
    sets: list = field(default_factory=lambda: [""])
    suffix: str = ""
    label: str = ""

    @property
    def name(self):
        return self.label or self.triple


def linux(triple, gnu, qemu, sets=("",), run=None):
    """A Linux target that a cross compiler of Debian builds for."""
    return Target(
        triple,
        packages=f"gcc-{gnu} qemu-user",
        cc=f"{gnu}-gcc",
        runner=run or [qemu, "-L", f"/usr/{gnu}"],
        sets=list(sets),
    )


WASI = dict(
    triple="wasm32-wasip1",
    packages="clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 nodejs",
    cc="clang-14",
    runner=["node", "--no-warnings", str(FOREIGN / "wasi.mjs")],
    cflags="--sysroot=/usr -I/usr/include/wasm32-wasi",
    suffix=".wasm",
)
WASI_FLAGS = (
    "-Clinker=wasm-ld-14 -Clink-self-contained=no -L/usr/lib/wasm32-wasi -Clink-arg=-lc"
    " -Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o"
)

TARGETS = [
    Target("x86_64-unknown-linux-gnu", sets=["scalar", "sse41", "avx2", "avxvnni", "avx512bw", "avx512"]),
    Target(
        "i686-unknown-linux-gnu",
        packages="gcc-i686-linux-gnu libc6-dev-i386-cross",
        cc="i686-linux-gnu-gcc",
        runner=["/usr/i686-linux-gnu/lib/ld-linux.so.2", "--library-path", "/usr/i686-linux-gnu/lib"],
    ),
    linux("aarch64-unknown-linux-gnu", "aarch64-linux-gnu", "qemu-aarch64", ["scalar", "neon"]),
    linux("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf", "qemu-arm"),
    linux("s390x-unknown-linux-gnu", "s390x-linux-gnu", "qemu-s390x"),
    linux("powerpc64-unknown-linux-gnu", "powerpc64-linux-gnu", "qemu-ppc64"),
    Target(
        "x86_64-pc-windows-gnu",
        packages="gcc-mingw-w64-x86-64 wine64",
        cc="x86_64-w64-mingw32-gcc",
        runner=["/usr/lib/wine/wine64"],
        flags="-Clink-self-contained=no",
        env={"WINEDEBUG": "-all", "WINEPREFIX": str(FOREIGN / "wine")},
        sets=["scalar", "avx2", "avx512"],
        suffix=".exe",
    ),
    Target(**WASI, flags=WASI_FLAGS, label="wasm32-wasip1"),
    Target(**WASI, flags=WASI_FLAGS + " -Ctarget-feature=+simd128", label="wasm32-wasip1 with simd128"),
]


class Absent(Exception):
    """Something that a target needs is not on this machine."""


def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def wanted_version():
    text = (ROOT / "Cargo.toml").read_text()
    return tuple(map(int, re.search(r'rust-version = "(\d+)\.(\d+)"', text).groups()))


def debian_rust():
    """Unpacks Debian's Rust with the source of its standard library, and returns the environment that uses it."""
    if not (RUST / "bin" / "rustc").exists():
        if not shutil.which("apt-get"):
            raise Absent("the standard library, and apt-get to fetch Debian's Rust")
        shown = output("apt-cache", "show", "--no-all-versions", "rustc-web")
        version = re.search(r"^Version: (\d+)\.(\d+)", shown, re.M)
        if not version or tuple(map(int, version.groups())) < wanted_version():
            raise Absent("the standard library; Debian's Rust is too old")
        library = f"libstd-rust-web-{version[1]}.{version[2]}"
        shown = output("apt-cache", "show", "--no-all-versions", library)
        llvm = re.search(r"libllvm\d+", shown)
        packages = ["rustc-web", "libstd-rust-web-dev", "rust-web-src", library] + ([llvm[0]] if llvm else [])
        folder = FOREIGN / "packages"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", *packages], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, FOREIGN / "rust"], check=True)
            package.unlink()
    return {
        "RUSTC": str(RUST / "bin" / "rustc"),
        "LD_LIBRARY_PATH": str(RUST / "lib" / "x86_64-linux-gnu"),
        "RUSTC_BOOTSTRAP": "1",
    }


def has_library(triple):
    """Whether the toolchain has the standard library of a target."""
    try:
        return any(Path(output("rustc", "--print", "target-libdir", "--target", triple).strip()).glob("libstd-*"))
    except subprocess.CalledProcessError:
        return False


def build(target):
    """Builds the program, and returns its path and the compiler's version."""
    for tool in [target.cc, *target.runner[:1]]:
        if not shutil.which(tool):
            raise Absent(f"{tool} (Debian: {target.packages})")
    variable = target.triple.replace("-", "_")
    # Flags are part of the folder, because cargo builds everything again if they change.
    folder = FOREIGN / "build" / target.name.replace(" ", "-")
    env = dict(os.environ, CARGO_TARGET_DIR=str(folder), CARGO_INCREMENTAL="0", RUSTFLAGS=target.flags)
    env[f"CC_{variable}"] = target.cc
    env[f"CFLAGS_{variable}"] = target.cflags
    if "-Clinker" not in target.flags:
        env[f"CARGO_TARGET_{variable.upper()}_LINKER"] = target.cc
    command = ["cargo", "rustc", "--release", "--locked", "-p", PROGRAM, "--target", target.triple]
    if not has_library(target.triple):
        env.update(debian_rust())
        command += ["-Z", "build-std=std,panic_abort"]
    if target.triple.startswith("wasm32"):
        source, stubs = FOREIGN / "threads.c", FOREIGN / "threads.o"
        source.write_text(THREADS)
        flags = ["--target=wasm32-wasi", *target.cflags.split(), "-w", "-c", str(source), "-o", str(stubs)]
        subprocess.run([target.cc, *flags], check=True)
        command += ["--", f"-Clink-arg={stubs}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{target.name} cannot be built:\n{done.stderr[-3000:]}")
    version = output(env.get("RUSTC", "rustc"), "--version", env=env).split()[1]
    return folder / target.triple / "release" / (PROGRAM + target.suffix), version


def run(target, program, files, instructions):
    """Runs the program on files, and returns what it prints."""
    env = dict(os.environ, **target.env)
    # Wine passes variables on, and node does not: WebAssembly has no instruction set to choose.
    if instructions:
        env["AECODEC_CPU"] = instructions
    command = list(target.runner)
    if target.runner and target.runner[0] == "node":
        (FOREIGN / "wasi.mjs").write_text(NODE)
        command += [str(program), str(ROOT), *("/" + str(file) for file in files)]
    else:
        command += [str(program), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{target.name} does not run:\n{done.stderr[-2000:]}")
    return done.stdout.replace("\r", "")


def files_of(everything):
    """The conformance set, and of the samples the smallest one or all."""
    samples = sorted((ROOT / "samples").glob("*.aec"))
    chosen = samples if everything else [ROOT / "samples" / "glass-alpha.aec"]
    conformance = ROOT / "tests" / "conformance"
    files = [*sorted(conformance.glob("*.aec")), *sorted(conformance.glob("*.aecs")), *chosen]
    return [path.relative_to(ROOT) for path in files]


def install(targets):
    packages = sorted({package for target in targets for package in target.packages.split()})
    subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every file of samples/")
    parser.add_argument("--write", action="store_true", help="write tests/golden/portable.txt")
    parser.add_argument("--install", action="store_true", help="install the Debian packages that are missing")
    arguments = parser.parse_args()
    known = {target.name: target for target in TARGETS}
    unknown = [name for name in arguments.targets if name not in known]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are: {', '.join(known)}")
    targets = [known[name] for name in arguments.targets] or TARGETS
    if arguments.install:
        install(targets)
    files = files_of(arguments.all)

    found, failed = {}, False
    for target in targets:
        try:
            program, version = build(target)
            for instructions in target.sets:
                lines = run(target, program, files, instructions).splitlines()
                hash_of_all, used = re.fullmatch(r"all (\w+) with (\w+)", lines[-1]).groups()
                if instructions and used != instructions:
                    print(f"{target.name:32} {instructions:9} not on this machine", flush=True)
                    continue
                found[(target.name, used)] = lines[:-1]
                print(f"{target.name:32} {used:9} {hash_of_all[:32]}  Rust {version}", flush=True)
        except Absent as absent:
            print(f"{target.name:32} left out for lack of {absent}", flush=True)
            failed |= bool(arguments.targets)
        except RuntimeError as error:
            print(error, flush=True)
            failed = True
    if arguments.write and found:
        GOLDEN.write_text("\n".join(next(iter(found.values()))) + "\n")
    expected = {line.split()[0]: line for line in (GOLDEN.read_text() if GOLDEN.exists() else "").splitlines()}
    for (name, used), lines in found.items():
        for line in lines:
            # A file that the list lacks is compared between the targets.
            wanted = expected.setdefault(line.split()[0], line)
            if line != wanted:
                print(f"{name} with {used}: {line}\n  expected: {wanted}")
                failed = True
    files_each = max(map(len, found.values()), default=0)
    print(f"{len(found)} results of {len({name for name, _ in found})} targets, {files_each} files each")
    sys.exit(1 if failed or not found else 0)


main()
