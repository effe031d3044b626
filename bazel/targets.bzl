"""cmake/Targets.cmake and cmake/Warnings.cmake, for Bazel: the same names and the same warnings."""

_WARNINGS = [
    "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Wnon-virtual-dtor",
    "-Woverloaded-virtual", "-Wimplicit-fallthrough", "-Werror", "-Wno-missing-field-initializers",
    "-Wno-restrict", "-Wno-maybe-uninitialized", "-Wno-stringop-overflow",
]

def _defines(values):
    return ["%s=\\\"%s\\\"" % define for define in values.items()]

def pilotlight_library(name, srcs, defines = {}, deps = []):
    """A library with the headers of its folder; those alone are `headers`, where nothing is to be linked.

    `defines`: strings, for all that depend on it too."""
    if not native.existing_rule("headers"):
        native.cc_library(
            name = "headers",
            hdrs = native.glob(["**/*.h"]),
            visibility = ["//visibility:public"],
        )
    native.cc_library(
        name = name,
        srcs = srcs,
        copts = _WARNINGS,
        defines = _defines(defines),
        linkstatic = True,
        visibility = ["//visibility:public"],
        deps = deps + [":headers"],
    )

def pilotlight_program(name, srcs, copts = [], data = [], defines = {}, deps = []):
    """A program. `defines`: strings; paths of `data` are from the top of the tree."""
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = _WARNINGS + copts,
        data = data,
        local_defines = _defines(defines),
        visibility = ["//visibility:public"],
        deps = deps,
    )

def pilotlight_test(name, srcs, label = "unit", data = [], defines = {}, deps = []):
    """A test. `label`: unit, golden or integration, a tag here; `defines`: as of a program."""
    native.cc_test(
        name = name,
        timeout = "long",
        srcs = srcs,
        copts = _WARNINGS,
        data = data,
        linkstatic = True,
        local_defines = _defines(defines),
        tags = [label],
        deps = deps + ["//bazel/system:gtest_main", "//tests:support"],
    )

def pilotlight_benchmark(name, srcs, data = [], defines = {}, deps = []):
    pilotlight_program(
        name = name,
        srcs = srcs,
        data = data,
        defines = defines,
        deps = deps + ["//bazel/system:benchmark_main", "//tests:support"],
    )
