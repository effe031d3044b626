// Grafana's own client of a Pyroscope data source against a real collector.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "exporters/pprof.h"
#include "nlohmann/json.hpp"
#include "tests/support/collector_client.h"
#include "tests/support/collector_process.h"
#include "tests/support/command.h"
#include "tests/support/flame_tree.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using Json = nlohmann::json;

constexpr int64_t kPeriod = 10'000'000;
const std::string kCpu = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";
const std::string kHeap = "memory:inuse_space:bytes:space:bytes";
// Whole seconds, so that the milliseconds of the questions are exact.
const absl::Time kStart = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) - 600);

int64_t Ms(absl::Time time) { return absl::ToUnixMillis(time); }

// Each with samples of names that break what splits, quotes or escapes them carelessly.
Window WindowOf(absl::Time start, uint64_t samples) {
  Window window;
  window.start = start;
  window.duration = absl::Seconds(10);
  window.interval = absl::Seconds(20);
  window.source = "ebpf";
  const auto stack = [&window](const std::vector<std::string>& names) {
    NodeId node = StackTrie::kRoot;
    for (const std::string& name : names) {
      node =
          window.trie.Child(node, window.trie.InternFrame(FrameView{.function = name, .symbolized = true}));
    }
    return node;
  };
  const auto value = [](uint64_t count) { return static_cast<int64_t>(count) * kPeriod; };
  Series& shop = window.series.emplace_back();
  shop.labels = {{"service_name", "shop \"1\""}, {"pod", "shop-1"}, {"node", "n1"}};
  shop.period = kPeriod;
  shop.samples = {
      {stack({"main.main"}), samples, value(samples)},
      {stack({"main.main", "shop.Sum[go.shape.struct { A int; B int }]"}), samples, value(samples)},
      {stack({"main.main", "a \"quoted\" \\ name", "世界 λ 😀"}), 2 * samples, value(2 * samples)}};
  MergeSamples(shop.samples);
  Series& other = window.series.emplace_back();
  other.labels = {{"service_name", "search"}, {"pod", "search-1"}, {"node", "n1"}};
  other.period = kPeriod;
  other.samples = {{stack({"main.main"}), 1, kPeriod}};
  Series& heap = window.series.emplace_back();
  heap.labels = {{"service_name", "search"}, {"pod", "search-1"}, {"node", "n1"}};
  heap.type = *ProfileType::Parse(kHeap);
  heap.samples = {{stack({"main.main"}), 5, 4096}};
  return window;
}

// How the client speaks.
struct Codec {
  std::string name;
  std::string flags;
};
void PrintTo(const Codec& codec, std::ostream* out) { *out << codec.name; }

class GrafanaTest : public testing::TestWithParam<Codec> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory();
    const CommandResult build =
        RunCommand(absl::StrCat("cd ", PILOTLIGHT_SOURCE_DIR, "/tests/e2e/pyroscope_client && ",
                                PILOTLIGHT_GO, " build -o ", directory_->path(), "/client . 2>&1"));
    ASSERT_EQ(build.exit_code, 0) << build.output;
    collector_ =
        new CollectorProcess(PILOTLIGHT_BIN_DIR "/pilotlight-collector", directory_->path() + "/data");
    ASSERT_TRUE(collector_->running()) << collector_->first_line();
    AgentStream stream(collector_->grpc_port(), "agent-1");
    ASSERT_TRUE(stream.SendHello());
    for (uint64_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(stream.Send(WindowOf(kStart + absl::Seconds(static_cast<double>(15 * i)), i + 1), i + 1));
      const auto answer = stream.Receive();
      ASSERT_TRUE(answer && answer->has_acknowledgement());
    }
  }
  static void TearDownTestSuite() {
    delete collector_;
    delete directory_;
  }

  // What the client prints: {"response": …} or {"code": …, "message": …}.
  static Json Call(const std::string& method, const Json& request) {
    return CallPort(collector_->http_port(), GetParam().flags, method, request);
  }
  static Json CallPort(int port, const std::string& flags, const std::string& method, const Json& request) {
    const std::string path = directory_->path() + "/question";
    std::ofstream(path) << Json({{"method", method}, {"request", request}}).dump() << "\n";
    const CommandResult result = RunCommand(absl::StrCat(
        directory_->path(), "/client -url http://127.0.0.1:", port, " ", flags, " 2>&1 <", path));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return Json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  }
  static Json Answer(const std::string& method, const Json& request) {
    const Json answer = Call(method, request);
    EXPECT_TRUE(answer.contains("response")) << answer;
    return answer.value("response", Json::object());
  }

  // The whole of what was sent.
  static Json Span(Json more = Json::object()) {
    more["start"] = Ms(kStart - absl::Minutes(1));
    more["end"] = Ms(kStart + absl::Minutes(2));
    return more;
  }
  static Json Shop(Json more = Json::object()) {
    more["profile_typeID"] = kCpu;
    more["label_selector"] = "{service_name=\"shop \\\"1\\\"\"}";
    return Span(more);
  }

  static FlameTree TreeOf(const Json& graph) {
    Flamebearer encoded;
    for (const Json& name : graph.at("names")) encoded.names.push_back(name);
    for (const Json& level : graph.at("levels")) {
      std::vector<int64_t>& values = encoded.levels.emplace_back();
      for (const Json& value : level.at("values")) values.push_back(Number(value));
    }
    encoded.total = Number(graph.at("total"));
    return DecodeFlamebearer(encoded);
  }
  // Protobuf's JSON has 64-bit numbers as texts.
  static int64_t Number(const Json& value) {
    int64_t number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(value.get<std::string>(), &number)) << value;
    return number;
  }

  static FlameTree TreeOverGrpc(uint32_t max_nodes) {
    v1::FlameGraphRequest request;
    request.mutable_selection()->set_selector("{service_name=\"shop \\\"1\\\"\"}");
    request.mutable_selection()->set_start_unix_ns(absl::ToUnixNanos(kStart - absl::Minutes(1)));
    request.set_max_nodes(max_nodes);
    v1::FlameGraphResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(QueryClient(collector_->grpc_port()).stub().FlameGraph(&context, request, &response).ok());
    FlameGraph graph;
    graph.names.assign(response.names().begin(), response.names().end());
    for (int i = 0; i < response.name_size(); ++i) {
      graph.nodes.push_back({.parent = response.parent(i),
                             .name = response.name(i),
                             .self = {.value = response.self_value(i)},
                             .total = {.value = response.total_value(i)}});
    }
    return FlameTreeOf(graph);
  }

  static TemporaryDirectory* directory_;
  static CollectorProcess* collector_;
};
TemporaryDirectory* GrafanaTest::directory_ = nullptr;
CollectorProcess* GrafanaTest::collector_ = nullptr;

TEST_P(GrafanaTest, SaveAndTestWorksWithoutData) {
  EXPECT_EQ(Answer("ProfileTypes", {{"start", 1000}, {"end", 4000}}), Json::object());
}

TEST_P(GrafanaTest, ProfileTypesHaveFiveParts) {
  const Json types = Answer("ProfileTypes", Span()).at("profileTypes");
  ASSERT_EQ(types.size(), 2);
  EXPECT_EQ(types[1], Json({{"ID", kCpu},
                            {"name", "process_cpu"},
                            {"sampleType", "cpu"},
                            {"sampleUnit", "nanoseconds"},
                            {"periodType", "cpu"},
                            {"periodUnit", "nanoseconds"}}));
}

TEST_P(GrafanaTest, PickersListLabelsAndTheirValues) {
  EXPECT_THAT(Answer("LabelNames", Span({{"matchers", {"{}"}}})).at("names"),
              ElementsAre("__profile_type__", "node", "pod", "service_name"));
  EXPECT_THAT(Answer("LabelValues", Span({{"name", "service_name"}})).at("names"),
              ElementsAre("search", "shop \"1\""));
  // As the variable editor asks, with the type among the matchers.
  EXPECT_THAT(Answer("LabelValues",
                     Span({{"name", "service_name"}, {"matchers", {"{__profile_type__=\"" + kHeap + "\"}"}}}))
                  .at("names"),
              ElementsAre("search"));
  EXPECT_THAT(
      Answer("LabelValues", Span({{"name", "__profile_type__"}, {"matchers", {"{service_name=\"search\"}"}}}))
          .at("names"),
      ElementsAre(kHeap, kCpu));
}

TEST_P(GrafanaTest, SeriesAreTheLabelSets) {
  const Json sets =
      Answer("Series", Span({{"labelNames", {"service_name", "__profile_type__"}}})).at("labelsSet");
  std::vector<std::string> texts;
  for (const Json& set : sets) {
    std::string text;
    for (const Json& label : set.at("labels")) {
      absl::StrAppend(&text, label.at("name").get<std::string>(), "=", label.at("value").get<std::string>(),
                      " ");
    }
    texts.push_back(text);
  }
  EXPECT_THAT(texts, UnorderedElementsAre("__profile_type__=" + kCpu + " service_name=search ",
                                          "__profile_type__=" + kCpu + " service_name=shop \"1\" ",
                                          "__profile_type__=" + kHeap + " service_name=search "));
}

TEST_P(GrafanaTest, TheFlameGraphIsTheTreeOfOurOwnApi) {
  const FlameTree tree = TreeOf(Answer("SelectMergeStacktraces", Shop()).at("flamegraph"));
  EXPECT_EQ(tree, TreeOverGrpc(0));
  EXPECT_EQ(tree.at({"total"}).second, 40 * kPeriod);
  EXPECT_EQ(tree.at({"total", "main.main", "a \"quoted\" \\ name", "世界 λ 😀"}).first, 20 * kPeriod);
  EXPECT_EQ(tree.at({"total", "main.main", "shop.Sum[go.shape.struct { A int; B int }]"}).first,
            10 * kPeriod);
  EXPECT_EQ(TreeOf(Answer("SelectMergeSpanProfile", Shop()).at("flamegraph")), tree);
}

TEST_P(GrafanaTest, AFlameGraphThatIsCutKeepsItsSums) {
  const FlameTree tree = TreeOf(Answer("SelectMergeStacktraces", Shop({{"maxNodes", 2}})).at("flamegraph"));
  EXPECT_EQ(tree, TreeOverGrpc(2));
  EXPECT_EQ(tree.at({"total", "main.main", "other"}).second, 10 * kPeriod);
}

TEST_P(GrafanaTest, StacksAreSelectedByCallSiteAndFunction) {
  const auto total = [](const Json& selector) {
    const Json answer = Answer("SelectMergeStacktraces", Shop({{"stackTraceSelector", selector}}));
    return answer.contains("flamegraph") ? Number(answer.at("flamegraph").at("total")) / kPeriod : 0;
  };
  EXPECT_EQ(total({{"callSite", {{{"name", "main.main"}}, {{"name", "a \"quoted\" \\ name"}}}}}), 20);
  EXPECT_EQ(total({{"callSite", {{{"name", "世界 λ 😀"}}}}}), 0);
}

TEST_P(GrafanaTest, WhatIsNotThereIsNoFlameGraph) {
  EXPECT_EQ(Answer("SelectMergeStacktraces",
                   Span({{"profile_typeID", kCpu}, {"label_selector", "{service_name=\"nobody\"}"}})),
            Json::object());
  EXPECT_EQ(Answer("SelectMergeStacktraces", Shop({{"spanSelector", {"9a517183f26a089d"}}})), Json::object());
  EXPECT_EQ(Answer("SelectMergeSpanProfile", Shop({{"spanSelector", {"9a517183f26a089d"}}})), Json::object());
}

TEST_P(GrafanaTest, APointSumsTheValuesOfTheStepBeforeIt) {
  // Windows at 0, 15, 30 and 45 s, of 4, 8, 12 and 16 samples; points at 0, 30, 60 s.
  Json request = Shop({{"step", 30}});
  request["start"] = Ms(kStart);
  request["end"] = Ms(kStart + absl::Seconds(89));
  const Json series = Answer("SelectSeries", request).at("series");
  ASSERT_EQ(series.size(), 1);
  EXPECT_FALSE(series[0].contains("labels"));
  std::map<int64_t, double> points;
  for (const Json& point : series[0].at("points")) {
    points[(Number(point.at("timestamp")) - Ms(kStart)) / 1000] = point.at("value").get<double>() / kPeriod;
  }
  EXPECT_THAT(points, ElementsAre(testing::Pair(0, 4), testing::Pair(30, 20), testing::Pair(60, 16)));
}

TEST_P(GrafanaTest, SeriesAreGroupedAndLimitedToTheLargest) {
  Json request = Span({{"profile_typeID", kCpu}, {"step", 60}, {"groupBy", {"service_name"}}, {"limit", 1}});
  const Json series = Answer("SelectSeries", request).at("series");
  ASSERT_EQ(series.size(), 1);
  EXPECT_EQ(series[0].at("labels")[0].at("value"), "shop \"1\"");
  request.erase("limit");
  EXPECT_EQ(Answer("SelectSeries", request).at("series").size(), 2);
}

TEST_P(GrafanaTest, SelectMergeProfileIsPprof) {
  const Json profile = Answer("SelectMergeProfile", Shop());
  EXPECT_EQ(profile.at("sample").size(), 3);
  EXPECT_THAT(profile.at("stringTable"), testing::Contains("世界 λ 😀"));
  EXPECT_EQ(
      Answer("SelectMergeStacktraces", Shop({{"format", "PROFILE_FORMAT_PPROF"}})).at("pprof").at("profile"),
      profile);
}

TEST_P(GrafanaTest, ADiffHasBothSides) {
  Json before = Shop();
  before["end"] = Ms(kStart + absl::Seconds(15));
  Json after = Shop();
  after["start"] = Ms(kStart + absl::Seconds(16));
  const Json diff = Answer("Diff", {{"left", before}, {"right", after}}).at("flamegraph");
  EXPECT_EQ(Number(diff.at("leftTicks")), 12 * kPeriod);
  EXPECT_EQ(Number(diff.at("rightTicks")), 28 * kPeriod);
  EXPECT_EQ(Number(diff.at("levels")[0].at("values")[4]), 28 * kPeriod);
}

TEST_P(GrafanaTest, StatsTellThatThereIsData) {
  const Json stats = Answer("GetProfileStats", Json::object());
  EXPECT_EQ(stats.at("dataIngested"), true);
  EXPECT_LE(Number(stats.at("oldestProfileTime")), Ms(kStart));
  EXPECT_GE(Number(stats.at("newestProfileTime")), Ms(kStart));
}

TEST_P(GrafanaTest, ErrorsAreConnectErrors) {
  const Json selector = Call("SelectMergeStacktraces", {{"label_selector", "{a="}});
  EXPECT_EQ(selector.at("code"), "invalid_argument");
  EXPECT_THAT(selector.at("message").get<std::string>(), HasSubstr("position"));
  EXPECT_EQ(Call("SelectSeries", Shop({{"step", 0.0001}})).at("code"), "invalid_argument");
  EXPECT_EQ(Call("SelectMergeStacktraces", {{"profile_typeID", "cpu"}}).at("code"), "invalid_argument");
  EXPECT_EQ(Call("SelectMergeStacktraces", Shop({{"format", "PROFILE_FORMAT_TREE"}})).at("code"),
            "unimplemented");
  EXPECT_EQ(Call("SelectHeatmap", Shop()).at("code"), "unimplemented");
  EXPECT_EQ(Call("AnalyzeQuery", Json::object()).at("code"), "unimplemented");
}

// What an SDK sends of `service`.
Json PushOf(const std::string& service, absl::Time start) {
  Profile profile = MakeProfile({{"main;a b", 3}, {"main;\"世界\"", 4}}, kPeriod);
  profile.start = start;
  const auto label = [](const std::string& name, const std::string& value) {
    return Json({{"name", name}, {"value", value}});
  };
  return {
      {"series",
       {{{"labels",
          {label("__name__", "process_cpu"), label("service_name", service), label("__session_id__", "1")}},
         {"samples", {{{"rawProfile", absl::Base64Escape(WritePprof(profile))}}}}}}}};
}

TEST_P(GrafanaTest, WhatAnSdkPushesIsThere) {
  // Away from what the other tests look at.
  const absl::Time start = kStart - absl::Hours(2);
  const std::string service = "pushed " + GetParam().name;
  EXPECT_EQ(Answer("Push", PushOf(service, start)), Json::object());
  // gRPC speaks protobuf only.
  const std::string flags = absl::StrReplaceAll(GetParam().flags, {{"-json", ""}});
  const Json over_grpc = CallPort(collector_->grpc_port(), "-grpc " + flags, "Push", PushOf(service, start));
  EXPECT_TRUE(over_grpc.contains("response")) << over_grpc;
  const Json answer =
      Answer("SelectMergeStacktraces", {{"profile_typeID", kCpu},
                                        {"label_selector", "{service_name=\"" + service + "\"}"},
                                        {"start", Ms(start)},
                                        {"end", Ms(start)}});
  const FlameTree tree = TreeOf(answer.at("flamegraph"));
  EXPECT_EQ(tree.at({"total", "main", "a b"}).first, 2 * 3 * kPeriod);
  EXPECT_EQ(tree.at({"total", "main", "\"世界\""}).first, 2 * 4 * kPeriod);
}

TEST_P(GrafanaTest, APushThatCannotBeTakenSaysWhy) {
  const auto refusal = [](Json request) {
    const Json answer = Call("Push", request);
    EXPECT_EQ(answer.value("code", ""), "invalid_argument") << answer;
    return answer.value("message", "");
  };
  EXPECT_THAT(refusal(PushOf("", kStart)), HasSubstr("service_name"));
  EXPECT_THAT(refusal(PushOf("old", kStart - absl::Hours(24 * 365))), HasSubstr("more than is kept"));
  Json garbage = PushOf("garbage", kStart);
  garbage["series"][0]["samples"][0]["rawProfile"] = absl::Base64Escape("no profile");
  EXPECT_THAT(refusal(garbage), HasSubstr("not a pprof profile"));
}

INSTANTIATE_TEST_SUITE_P(Codecs, GrafanaTest,
                         testing::Values(Codec{"Proto", ""}, Codec{"ProtoGzip", "-gzip"},
                                         Codec{"Json", "-json"}, Codec{"JsonGzip", "-json -gzip"}),
                         [](const auto& codec) { return codec.param.name; });

}  // namespace
}  // namespace pilotlight
