#!/usr/bin/env python3
"""Checks that docs/dependencies.md gives a reason for each dependency of the workspace, and for no other."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def listed():
    section = (ROOT / "Cargo.toml").read_text().split("[workspace.dependencies]\n")[1].split("\n[")[0]
    names = re.findall(r"^([A-Za-z0-9_-]+) *=", section, re.M)
    return [name for name in names if name.split("-")[0] != "aecodec"]


def explained():
    text = (ROOT / "docs" / "dependencies.md").read_text()
    return re.findall(r"^\| `([A-Za-z0-9_-]+)` \|[^|]+\|[^|]{5,}\|$", text, re.M)


def main():
    wanted, found = listed(), explained()
    wrong = [f"docs/dependencies.md gives no reason for `{name}`" for name in wanted if name not in found]
    wrong += [f"docs/dependencies.md explains `{name}`, which Cargo.toml lacks" for name in found if name not in wanted]
    if not wrong and found != sorted(found):
        wrong.append("docs/dependencies.md is not in alphabetical order")
    print("\n".join(wrong) or f"{len(found)} dependencies, each with a reason")
    sys.exit(1 if wrong else 0)


main()
