"""Prints the licences of all crates that are compiled into aecodec for a target, each text once."""

import json
import pathlib
import re
import subprocess
import sys

TEXTS = re.compile(r"(un)?licen[cs]es?(?![a-z])|(copying|notice|copyright|patents)(?![a-z])", re.IGNORECASE)


def crates(target):
    """The crates in the binary, as cargo describes them: all that normal dependencies lead to."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    command += ["--manifest-path", "cli/Cargo.toml", "--features", "full"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    todo, seen = [found["resolve"]["root"]], set()
    while todo:
        this = todo.pop()
        if this in seen:
            continue
        seen.add(this)
        for dependency in nodes[this]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                todo.append(dependency["pkg"])
    inside = [packages[this] for this in seen if packages[this]["source"] is not None]
    return sorted(inside, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The files of a crate that hold its licences, and those of the C libraries that some crates bring."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.rglob("*")) if TEXTS.match(file.name) and file.is_file()]
    files = [file for file in files if file.suffix.lower() not in (".rs", ".c", ".h", ".py", ".toml", ".yml", ".json")]
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in files]


def main():
    owners, bare = {}, []
    print("aecodec contains these crates, under these licences. The texts follow.\n")
    for package in crates(sys.argv[1]):
        title = f"{package['name']} {package['version']}"
        print(f"{title}: {package['license'] or 'see its text'}, {package['repository'] or 'crates.io'}")
        found = texts(package)
        if not found:
            bare.append(title)
        for text in found:
            owners.setdefault(text, []).append(title)
    if bare:
        print(f"\nThe standard text of the licence named above holds for {', '.join(bare)}.")
    for text, titles in owners.items():
        print("\n" + "=" * 100 + "\n" + ", ".join(titles) + "\n\n" + text)


if __name__ == "__main__":
    main()
