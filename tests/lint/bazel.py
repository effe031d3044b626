#!/usr/bin/env python3
"""CMake and Bazel have the same targets with the same sources: reads every CMakeLists.txt and BUILD.bazel, and
prints what only one of them has. What fuzzers, end-to-end and BPF tests use is CMake's alone (bazel/README.md)."""
import ast
import pathlib
import re
import subprocess
import sys

SOURCE = re.compile(r"\.(cc|c|h|proto)$")
CMAKE_ALONE = ("tests/bpf/", "tests/e2e/", "tests/fuzz/", "tests/workloads/")
CMAKE_CALL = re.compile(r"^\s*(add_executable|add_library|target_sources|pilotlight_\w+)\(([^()]*)\)", re.MULTILINE)


def files_named(name):
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", name, f"*/{name}"],
        check=True, capture_output=True, text=True)
    return [pathlib.Path(line) for line in listed.stdout.splitlines()
            if pathlib.Path(line).exists() and not line.startswith(CMAKE_ALONE)]


def source(directory, word):
    """From the top of the tree: of "a.cc", "../b/a.h", or a label, "//b:a.h"."""
    if word.startswith("//"):
        return word[2:].replace(":", "/")
    parts = []
    for part in (directory / word.lstrip(":")).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def add(targets, path, name, words):
    # What is generated has a variable in its name.
    found = {source(path.parent, word) for word in words if SOURCE.search(word) and "$" not in word}
    if found:
        targets.setdefault(name, set()).update(found)


def cmake_targets():
    targets = {}
    for path in files_named("CMakeLists.txt"):
        text = re.sub(r"#.*", "", path.read_text())
        for call in CMAKE_CALL.finditer(text):
            name, *words = call[2].split()
            if not re.search(r"\bLABEL (bpf|e2e)\b", call[2]):
                add(targets, path, name, words)
    return targets


def bazel_targets():
    targets = {}
    for path in files_named("BUILD.bazel"):
        for call in ast.walk(ast.parse(path.read_text(), str(path))):
            if not isinstance(call, ast.Call):
                continue
            arguments = {keyword.arg: keyword.value for keyword in call.keywords}
            if isinstance(call.func, ast.Name) and call.func.id.startswith("pilotlight_"):
                words = [node.value for key in ("src", "srcs", "hdrs") if key in arguments
                         for node in ast.walk(arguments[key]) if isinstance(node, ast.Constant)]
                add(targets, path, arguments["name"].value, words)
    return targets


def main():
    cmake, bazel = cmake_targets(), bazel_targets()
    differences = []
    for name in sorted(cmake.keys() | bazel.keys()):
        one, other = cmake.get(name, set()), bazel.get(name, set())
        differences += [f"{name}: {path} is in CMakeLists.txt alone" for path in sorted(one - other)]
        differences += [f"{name}: {path} is in BUILD.bazel alone" for path in sorted(other - one)]
    for difference in differences:
        print(difference, file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
