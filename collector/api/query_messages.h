// Questions and answers to and from their messages (proto/pilotlight/v1/query.proto).
#pragma once

#include "collector/query/query_engine.h"
#include "pilotlight/v1/query.pb.h"

namespace pilotlight::collector {

SelectionText FromProto(const v1::Selection& message);
// For the requests that have a span without a whole selection.
SelectionText FromSpan(int64_t start_unix_ns, int64_t end_unix_ns);

void ToProto(const FlameGraphAnswer& answer, v1::FlameGraphResponse& message);
void ToProto(const TopAnswer& answer, v1::TopResponse& message);
void ToProto(const DiffAnswer& answer, v1::DiffResponse& message);
void ToProto(const PeekAnswer& answer, v1::PeekResponse& message);
void ToProto(const SeriesAnswer& answer, v1::SeriesResponse& message);

}  // namespace pilotlight::collector
