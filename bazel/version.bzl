"""The version, which CMakeLists.txt has."""

def _project_version(repository_ctx):
    text = repository_ctx.read(Label("//:CMakeLists.txt"))
    version = text.split("project(pilotlight VERSION ")[1].split(" ")[0]
    repository_ctx.file("BUILD.bazel")
    repository_ctx.file("version.bzl", "VERSION = \"%s\"\n" % version)

# load("@NAME//:version.bzl", "VERSION")
project_version = repository_rule(implementation = _project_version)
