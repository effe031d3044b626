"""Sources that are made by the system's tools: protoc, clang and bpftool."""

def pilotlight_proto_library(name, srcs, grpc = False, deps = []):
    """Messages, with `grpc` services too: include "pilotlight/v1/profile.pb.h", "pprof/profile.pb.h"."""
    endings = ["pb"] + (["grpc.pb"] if grpc else [])
    stems = [src[:-len(".proto")] for src in srcs]
    sources = ["%s.%s.cc" % (stem, ending) for stem in stems for ending in endings]
    headers = ["%s.%s.h" % (stem, ending) for stem in stems for ending in endings]
    services = "--grpc_out=$(RULEDIR) --plugin=protoc-gen-grpc=$$(command -v grpc_cpp_plugin)" if grpc else ""
    native.genrule(
        name = name + "_sources",
        # They import each other.
        srcs = native.glob(["**/*.proto"]),
        outs = sources + headers,
        cmd = "protoc --proto_path=%s --cpp_out=$(RULEDIR) %s %s" % (native.package_name(), services, " ".join(srcs)),
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        includes = ["."],
        linkstatic = True,
        visibility = ["//visibility:public"],
        deps = deps + ["//bazel/system:protobuf"],
    )

def pilotlight_bpf_skeleton(name, src, hdrs):
    """Compiles for the BPF target and embeds the object into a header "NAME.skel.h" (struct NAME)."""
    skeleton = "skeletons/%s.skel.h" % name
    native.genrule(
        name = name + "_skeleton",
        srcs = [src] + hdrs,
        outs = [skeleton],
        cmd = """
            case $$(uname -m) in aarch64) arch=arm64 ;; *) arch=x86 ;; esac
            object=$(RULEDIR)/%s.bpf.o
            clang-14 -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_$$arch \
              -I/usr/include/$$(gcc -print-multiarch) -c $(location %s) -o $$object
            PATH=$$PATH:/usr/sbin bpftool gen skeleton $$object name %s > $@
        """ % (name, src, name),
    )
    native.cc_library(
        name = name,
        hdrs = [skeleton],
        includes = ["skeletons"],
        visibility = ["//visibility:public"],
        deps = ["//bazel/system:libbpf"],
    )
