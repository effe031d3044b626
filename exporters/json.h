// JSON of profiles, for scripts. Equal input gives equal text; ill-formed UTF-8 in names is replaced.
//
// Common members: "type" is the five-part profile type, "unit" the unit of every "value", "total" and the
// like are {"count": samples, "value": in that unit}, kinds are "go", "native", "kernel", "synthetic" and
// "unknown", intervals are the 95 % one of a share, [lower, upper].
//
// WriteFlameGraphJson:
//   {"type", "unit", "total",
//    "nodes": [{"name", "parent", "kind", "self": {count, value}, "total": {count, value}}, …]}
// "nodes" has parents before their children; "parent" is an index into it, null for the root, nodes[0].
//
// WriteTopJson:
//   {"type", "unit", "total", "functions": how many there are before the cut,
//    "rows": [{"function", "file", "kind", "flat": {count, value}, "cumulative": {count, value},
//              "flat_share": [lower, upper], "cumulative_share": [lower, upper]}, …]}
//
// WriteDiffJson; a difference is {"base": {count, value}, "comparison": {count, value}, "p_value",
// "significant"}:
//   {"type", "unit", "total": {"base": {count, value}, "comparison": {count, value}},
//    "functions": how many there are before the cut, "significant_flat", "significant_cumulative": of those,
//    "rows": [{"function", "file", "flat": difference, "cumulative": difference}, …]}
//   and with a graph
//    "nodes": [{"name", "parent", "kind", "self": difference without p_value, "total": difference}, …]
//
// WritePeekJson:
//   {"type", "unit", "total", "matches": how many functions there are before the cut,
//    "functions": [{"function", "file", "flat": {count, value}, "cumulative": {count, value},
//                   "callers": [{"function", "count", "value"}, …], "callees": [likewise]}, …]}
//
// WriteListJson:
//   {"type", "unit", "total", "matches": how many functions there are before the cut,
//    "functions": [{"function", "file", "start_line", "moved", "flat": {count, value},
//                   "cumulative": {count, value},
//                   "lines": [{"line", "flat": {count, value}, "cumulative": {count, value}}, …]}, …]}
//
// WriteProfileJson, whole stacks:
//   {"type", "unit", "total", "period", "start": RFC 3339, "duration_seconds", "labels": {name: value},
//    "loss": {"lost_samples", "truncated_stacks", "frames", "unsymbolized_frames"},
//    "frames": [{"function", "file", "line", "start_line", "mapping", "kind", "inlined", "symbolized"}, …],
//    "stacks": [{"frames": [indices into "frames", the leaf first], "count", "value"}, …]}
#pragma once

#include <string>

#include "profile/diff.h"
#include "profile/flame_graph.h"
#include "profile/listing.h"
#include "profile/peek.h"
#include "profile/profile.h"
#include "profile/top.h"

namespace pilotlight {

std::string WriteFlameGraphJson(const FlameGraph& graph, const ProfileType& type);
std::string WriteTopJson(const TopTable& table, const ProfileType& type);
// `graph` may be without nodes.
std::string WriteDiffJson(const DiffTable& table, const DiffGraph& graph, const ProfileType& type);
std::string WritePeekJson(const PeekTable& table, const ProfileType& type);
std::string WriteListJson(const Listing& listing, const ProfileType& type);
std::string WriteProfileJson(const Profile& profile);

}  // namespace pilotlight
