#include "agent/inspect/inspection_wire.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

ProgramReport Program(NameCoverage names, FramePointers frame_pointers) {
  ProgramReport program;
  program.process = {.pid = 7,
                     .service = "shop",
                     .executable = "/usr/bin/shop",
                     .runtime = "Go 1.26.8",
                     .names = names,
                     .frame_pointers = frame_pointers,
                     .stripped = true,
                     .pprof = "127.0.0.1:6060",
                     .advice = {"do this", "and that"}};
  program.processes = 3;
  program.cpu_time = absl::Seconds(5);
  return program;
}

TEST(InspectionWireTest, ComesBackAsItWas) {
  Inspection inspection;
  inspection.node = {.kernel = "Linux 6.1 x86_64",
                     .sources = {{"ebpf", absl::PermissionDeniedError("needs CAP_BPF")}, {"perf", {}}},
                     .rights = {{"CAP_BPF", false, "sampling"}},
                     .kernel_symbols = absl::PermissionDeniedError("")};
  inspection.programs = {Program(NameCoverage::kAll, FramePointers::kSome),
                         Program(NameCoverage::kExported, FramePointers::kNotNeeded),
                         Program(NameCoverage::kNone, FramePointers::kNone),
                         Program(NameCoverage::kUnreadable, FramePointers::kUnknown)};
  const Inspection decoded = DecodeInspection(EncodeInspection(inspection));
  EXPECT_EQ(decoded.node.kernel, "Linux 6.1 x86_64");
  ASSERT_EQ(decoded.node.sources.size(), 2u);
  EXPECT_EQ(decoded.node.sources[0].status.message(), "needs CAP_BPF");
  EXPECT_TRUE(decoded.node.sources[1].status.ok());
  ASSERT_EQ(decoded.node.rights.size(), 1u);
  EXPECT_FALSE(decoded.node.rights[0].present);
  EXPECT_FALSE(decoded.node.kernel_symbols.ok());
  ASSERT_EQ(decoded.programs.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const ProgramReport& sent = inspection.programs[i];
    const ProgramReport& got = decoded.programs[i];
    EXPECT_EQ(got.process.names, sent.process.names);
    EXPECT_EQ(got.process.frame_pointers, sent.process.frame_pointers);
    EXPECT_EQ(got.process.service, "shop");
    EXPECT_EQ(got.process.pprof, "127.0.0.1:6060");
    EXPECT_EQ(got.process.advice, sent.process.advice);
    EXPECT_EQ(got.processes, 3u);
    EXPECT_EQ(got.cpu_time, absl::Seconds(5));
  }
}

TEST(InspectionWireTest, TheNumberOfProgramsIsBounded) {
  Inspection inspection;
  inspection.programs.assign(1000, Program(NameCoverage::kAll, FramePointers::kAll));
  EXPECT_EQ(EncodeInspection(inspection).programs_size(), 500);
}

TEST(InspectionWireTest, WhatANewerAgentKnowsIsUnknown) {
  v1::NodeInspection message;
  v1::ProgramInspection& program = *message.add_programs();
  program.set_names(static_cast<v1::ProgramInspection::NameCoverage>(17));
  program.set_frame_pointers(static_cast<v1::ProgramInspection::FramePointers>(17));
  const Inspection decoded = DecodeInspection(message);
  EXPECT_EQ(decoded.programs[0].process.names, NameCoverage::kUnreadable);
  EXPECT_EQ(decoded.programs[0].process.frame_pointers, FramePointers::kUnknown);
}

}  // namespace
}  // namespace pilotlight::agent
