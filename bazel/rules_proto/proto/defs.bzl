"""The rules that Bazel has built in."""

# buildifier: disable=native-proto
ProtoInfo_ = ProtoInfo
ProtoInfo = ProtoInfo_
proto_lang_toolchain = native.proto_lang_toolchain
proto_library = native.proto_library
