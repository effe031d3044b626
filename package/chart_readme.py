#!/usr/bin/env python3
"""Writes the table of values in the chart's README from values.yaml and its comments; with --check only compares.

A comment belongs to the key below it, and each key that is no section has its value on its own line.
"""

import os
import re
import sys

CHART = os.path.join(os.path.dirname(__file__), "..", "helm", "pilotlight")
README = os.path.join(CHART, "README.md")
MARK = "<!-- From here on made from values.yaml by package/chart_readme.py -->\n"


def rows(lines):
    """(path, default or None for a section, comment)"""
    path, comment = [], []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            comment = []
        elif text.startswith("#"):
            comment.append(text[1:].strip())
        else:
            key = re.fullmatch(r"((?:  )*)([A-Za-z]+):(?: (.+))?", line.rstrip("\n"))
            if not key:
                raise SystemExit(f"values.yaml:{number}: not `key: value`: {text}")
            path = path[:len(key[1]) // 2] + [key[2]]
            yield ".".join(path), key[3], " ".join(comment)
            comment = []


def table():
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        lines = ["| value | default | |\n", "| --- | --- | --- |\n"]
        for path, default, comment in rows(file):
            if default or comment:
                shown = f"`{default}`" if default else ""
                lines.append(f"| `{path}` | {shown} | {comment} |\n".replace("|  |", "| |"))
    return "".join(lines)


def main():
    with open(README, encoding="utf-8") as file:
        now = file.read()
    if MARK not in now:
        raise SystemExit(f"{README}: the line {MARK.strip()} is gone")
    made = now[:now.index(MARK)] + MARK + "\n" + table()
    if sys.argv[1:] == ["--check"]:
        if made != now:
            raise SystemExit("helm/pilotlight/README.md is not that of values.yaml; package/chart_readme.py writes it")
        return
    with open(README, "w", encoding="utf-8") as file:
        file.write(made)


if __name__ == "__main__":
    main()
