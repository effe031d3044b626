// A collector with its embedded store in this process, and real gRPC and HTTP clients.
#include "collector/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <prometheus/registry.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/http_client.h"
#include "collector/store/embedded/embedded_stores.h"
#include "exporters/pprof.h"
#include "nlohmann/json.hpp"
#include "tests/support/collector_client.h"
#include "tests/support/command.h"
#include "tests/support/stacks.h"

namespace pilotlight::collector {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A time in the middle of a day, so that no test crosses midnight. Real time would do as well: only HTTP's
// "now" and the clock checks look at it.
const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);

class CollectorTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    EmbeddedStoreOptions store_options;
    store_options.path = directory_.path() + "/store";
    store_options.clock = &clock_;
    auto store = EmbeddedStores::Open(store_options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    options_.grpc_listen_address = "127.0.0.1:0";
    options_.web_listen_address = "127.0.0.1:0";
    registry_ = std::make_unique<prometheus::Registry>();
    auto collector = Collector::Start(options_, *store_, clock_, *registry_);
    ASSERT_TRUE(collector.ok()) << collector.status();
    collector_ = *std::move(collector);
  }
  void Stop() {
    collector_.reset();
    store_.reset();
  }

  void WriteFile(const std::string& text) const { std::ofstream(options_.config_file) << text; }

  // Stacks with their samples, 10 ms each, watched for 10 s of 60.
  static Window WindowOf(const std::string& service, absl::Time start,
                         const std::map<std::string, uint64_t>& stacks) {
    Window window;
    window.start = start;
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    window.source = "ebpf";
    Series series;
    series.labels = {{std::string(kServiceLabel), service}};
    series.period = 10'000'000;
    series.samples = AddSamples(window.trie, stacks, series.period);
    window.series.push_back(std::move(series));
    return window;
  }

  // Sends a window through a stream of its own and waits for the acknowledgement.
  void Deliver(const std::string& agent, const Window& window, uint64_t sequence) {
    AgentStream stream(collector_->grpc_port(), agent);
    stream.SendHello();
    stream.Send(window, sequence);
    const auto response = stream.Receive();
    ASSERT_TRUE(response.has_value());
    ASSERT_TRUE(response->has_acknowledgement()) << response->ShortDebugString();
  }

  HttpGetResult Get(const std::string& target) {
    const auto result = HttpGet(Url(target), {}, StopSignal());
    EXPECT_TRUE(result.ok()) << target << ": " << result.status();
    return result.value_or(HttpGetResult());
  }
  std::string Url(const std::string& target) const {
    return absl::StrCat("http://127.0.0.1:", collector_->http_port(), target);
  }

  // One line of /metrics, without its name.
  std::string Metric(const std::string& name_and_labels) {
    for (const absl::string_view line : absl::StrSplit(Get("/metrics").body, '\n')) {
      if (absl::StartsWith(line, name_and_labels + " "))
        return std::string(line.substr(name_and_labels.size() + 1));
    }
    return "no " + name_and_labels;
  }

  uint64_t Samples(const std::string& selector) {
    return QueryClient(collector_->grpc_port())
        .Samples(selector, kNow - absl::Hours(1), kNow + absl::Hours(1));
  }

  TemporaryDirectory directory_;
  ManualClock clock_{kNow};
  CollectorOptions options_;
  std::unique_ptr<EmbeddedStores> store_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Collector> collector_;
};

TEST_F(CollectorTest, WindowsOfAStreamBecomeTheFlameGraphOfTheirTime) {
  AgentStream stream(collector_->grpc_port(), "agent-1");
  ASSERT_TRUE(stream.SendHello());
  stream.Send(WindowOf("shop", kNow - absl::Minutes(30), {{"main;checkout", 6}}), 1);
  stream.Send(WindowOf("shop", kNow - absl::Minutes(20), {{"main;checkout", 3}, {"main;search", 1}}), 2);
  stream.Send(WindowOf("shop", kNow - absl::Minutes(10), {{"main;search", 100}}), 3);
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    EXPECT_EQ(stream.Receive()->acknowledgement().sequence(), sequence);
  }
  stream.HalfClose();
  EXPECT_TRUE(stream.Finish().ok());

  v1::FlameGraphRequest request;
  request.mutable_selection()->set_selector("{service=\"shop\"}");
  request.mutable_selection()->set_start_unix_ns(absl::ToUnixNanos(kNow - absl::Minutes(30)));
  request.mutable_selection()->set_end_unix_ns(absl::ToUnixNanos(kNow - absl::Minutes(10)));
  v1::FlameGraphResponse response;
  grpc::ClientContext context;
  const grpc::Status status =
      QueryClient(collector_->grpc_port()).stub().FlameGraph(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.names(0), "total");
  EXPECT_EQ(response.total_count(0), 10);
  EXPECT_EQ(response.total_value(0), 100'000'000);
  EXPECT_EQ(response.quality().windows(), 2);
  EXPECT_EQ(response.quality().watched_ns(), 20'000'000'000);
  EXPECT_DOUBLE_EQ(response.quality().estimated_value(), 600'000'000);
  for (int i = 1; i < response.name_size(); ++i) {
    EXPECT_LT(response.parent(i), static_cast<uint32_t>(i));
    if (response.names(static_cast<int>(response.name(i))) == "checkout") {
      EXPECT_EQ(response.self_count(i), 9);
    }
  }
}

TEST_F(CollectorTest, AWindowResentAfterAReconnectCountsOnce) {
  const Window window = WindowOf("shop", kNow - absl::Minutes(5), {{"main", 7}});
  Deliver("agent-1", window, 1);
  Deliver("agent-1", window, 1);
  EXPECT_EQ(Samples("{}"), 7);
  EXPECT_EQ(Metric("pilotlight_ingest_windows_total{outcome=\"duplicate\"}"), "1");
}

TEST_F(CollectorTest, AWindowResentAfterARestartOfTheCollectorCountsOnce) {
  const Window window = WindowOf("shop", kNow - absl::Minutes(5), {{"main", 7}});
  Deliver("agent-1", window, 1);
  Stop();
  Start();
  Deliver("agent-1", window, 1);
  EXPECT_EQ(Samples("{}"), 7);
}

TEST_F(CollectorTest, BadStreamsEndWithAReasonWhileAnotherAgentGoesOn) {
  AgentStream good(collector_->grpc_port(), "good");
  good.SendHello();
  good.Send(WindowOf("shop", kNow, {{"main", 1}}), 1);
  ASSERT_TRUE(good.Receive()->has_acknowledgement());

  RawCall garbage(collector_->grpc_port(), "/pilotlight.v1.Ingest/Stream", "g\xff\x01 this is no message");
  const RawAnswer answer = garbage.Wait();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("StreamRequest"));

  AgentStream deep(collector_->grpc_port(), "deep");
  deep.SendHello();
  std::string stack = "f";
  for (int i = 0; i < 1024; ++i) stack += ";f";
  deep.Send(WindowOf("shop", kNow, {{stack, 1}}), 1);
  EXPECT_THAT(deep.Receive()->refusal().reason(), HasSubstr("deeper than 1024 frames"));
  EXPECT_EQ(deep.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  AgentStream future(collector_->grpc_port(), "future");
  future.SendHello();
  future.Send(WindowOf("shop", kNow + absl::Hours(1), {{"main", 1}}), 1);
  EXPECT_THAT(future.Receive()->refusal().reason(), HasSubstr("clock"));
  future.Send(WindowOf("shop", kNow, {{"main", 2}}), 2);
  EXPECT_EQ(future.Receive()->acknowledgement().sequence(), 2);

  good.Send(WindowOf("shop", kNow, {{"main", 4}}), 2);
  EXPECT_EQ(good.Receive()->acknowledgement().sequence(), 2);
  EXPECT_EQ(Samples("{service=\"shop\"}"), 7);
  EXPECT_EQ(Metric("pilotlight_ingest_broken_streams_total{reason=\"garbage\"}"), "1");
  EXPECT_EQ(Metric("pilotlight_ingest_refused_windows_total{reason=\"future\"}"), "1");
}

TEST_F(CollectorTest, ADictionaryFloodIsEndedWhileAnotherAgentGoesOn) {
  Stop();
  options_.ingest.wire.max_dictionary_bytes = size_t{1} << 20;
  Start();
  AgentStream good(collector_->grpc_port(), "good");
  good.SendHello();
  AgentStream flood(collector_->grpc_port(), "flood");
  flood.SendHello();
  uint64_t sequence = 0;
  std::optional<v1::StreamResponse> response;
  do {
    ++sequence;
    flood.Send(WindowOf("shop", kNow, {{absl::StrCat(std::string(10'000, 'f'), sequence), 1}}), sequence);
    response = flood.Receive();
  } while (response.has_value() && sequence < 1000);
  const grpc::Status status = flood.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("dictionary"));
  good.Send(WindowOf("other", kNow, {{"main", 4}}), 1);
  EXPECT_TRUE(good.Receive()->has_acknowledgement());
}

TEST_F(CollectorTest, RefusesMoreAgentsThanAllowed) {
  Stop();
  options_.ingest.max_streams = 1;
  Start();
  AgentStream first(collector_->grpc_port(), "first");
  first.SendHello();
  first.Send(WindowOf("shop", kNow, {{"main", 1}}), 1);
  ASSERT_TRUE(first.Receive()->has_acknowledgement());
  AgentStream second(collector_->grpc_port(), "second");
  second.SendHello();
  EXPECT_EQ(second.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first.Send(WindowOf("shop", kNow, {{"main", 1}}), 2);
  EXPECT_TRUE(first.Receive()->has_acknowledgement());
}

TEST_F(CollectorTest, TakesCompressedStreams) {
  for (const auto compression : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    AgentStream stream(collector_->grpc_port(), absl::StrCat("agent-", compression), compression);
    stream.SendHello();
    stream.Send(WindowOf("shop", kNow, {{std::string(10'000, 'f'), 1}}), 1);
    EXPECT_TRUE(stream.Receive()->has_acknowledgement());
  }
}

TEST_F(CollectorTest, AMessageThatIsHugeOnceDecompressedIsNotTaken) {
  AgentStream bomb(collector_->grpc_port(), "bomb", GRPC_COMPRESS_GZIP);
  bomb.SendHello();
  v1::StreamRequest request;
  request.mutable_window()->set_source(std::string(size_t{100} << 20, 'a'));  // 100 kB on the wire
  bomb.SendRequest(request);
  const grpc::Status status = bomb.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST_F(CollectorTest, AnAgentThatSendsTooFastWaitsAndLosesNothing) {
  collector_.reset();
  store_.reset();
  options_.ingest.max_bytes_per_second = 200;
  Start();
  AgentStream stream(collector_->grpc_port(), "fast");
  stream.SendHello();
  stream.Send(WindowOf("shop", kNow, {{std::string(12'050, 'f'), 1}}), 1);  // of the 12,000 of a minute
  ASSERT_TRUE(stream.Receive()->has_acknowledgement());
  stream.Send(WindowOf("shop", kNow, {{"main", 1}}), 2);
  ASSERT_TRUE(stream.Receive()->has_acknowledgement());
  EXPECT_THAT(Get("/metrics").body, ContainsRegex("\npilotlight_ingest_throttled_messages_total [12]\n"));
}

TEST_F(CollectorTest, ShuttingDownDoesNotWaitForAnAgentThatMustWait) {
  collector_.reset();
  store_.reset();
  options_.ingest.max_bytes_per_second = 10;
  Start();
  AgentStream stream(collector_->grpc_port(), "fast");
  stream.SendHello();
  stream.Send(WindowOf("shop", kNow, {{std::string(16'000, 'f'), 1}}), 1);
  ASSERT_TRUE(stream.Receive()->has_acknowledgement());
  std::thread stopper([this] { collector_.reset(); });
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
}

TEST_F(CollectorTest, ShuttingDownEndsStreamsWithUnavailable) {
  AgentStream idle(collector_->grpc_port(), "idle");
  idle.SendHello();
  idle.Send(WindowOf("shop", kNow, {{"main", 1}}), 1);
  ASSERT_TRUE(idle.Receive()->has_acknowledgement());
  std::thread stopper([this] { collector_.reset(); });
  const grpc::Status status = idle.Finish();
  stopper.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
}

TEST_F(CollectorTest, ManyAgentsAtOnceLoseNothing) {
  constexpr int kAgents = 50;
  constexpr uint64_t kWindows = 5;
  std::vector<std::thread> agents;
  std::atomic<int> acknowledged{0};
  for (int i = 0; i < kAgents; ++i) {
    agents.emplace_back([this, i, &acknowledged] {
      AgentStream stream(collector_->grpc_port(), absl::StrCat("agent-", i));
      stream.SendHello();
      for (uint64_t sequence = 1; sequence <= kWindows; ++sequence) {
        stream.Send(WindowOf(absl::StrCat("service-", i % 7), kNow, {{absl::StrCat("main;f", i), 1}}),
                    sequence);
      }
      for (uint64_t sequence = 1; sequence <= kWindows; ++sequence) {
        const auto response = stream.Receive();
        if (response && response->acknowledgement().sequence() == sequence) ++acknowledged;
      }
    });
  }
  for (std::thread& agent : agents) agent.join();
  EXPECT_EQ(acknowledged, kAgents * kWindows);
  EXPECT_EQ(Samples("{}"), kAgents * kWindows);
}

// An agent that is known to the collector.
class ReadyAgent : public AgentStream {
 public:
  ReadyAgent(int port, const std::string& agent, const std::string& node, const Window& window)
      : AgentStream(port, agent) {
    SendHello(node);
    Send(window, 1);
    EXPECT_TRUE(Receive()->has_acknowledgement());
  }
};

TEST_F(CollectorTest, ACommandReachesTheAgentAmongItsWindowsAndItsResultWhoAsked) {
  const Window window = WindowOf("shop", kNow, {{"main", 1}});
  ReadyAgent asked(collector_->grpc_port(), "asked", "node-1", window);
  ReadyAgent other(collector_->grpc_port(), "other", "node-2", window);
  constexpr uint64_t kCommands = 10;
  std::vector<std::thread> people;
  std::atomic<uint64_t> samples{0};
  for (uint64_t i = 0; i < kCommands; ++i) {
    people.emplace_back([this, &samples] {
      AgentsClient agents(collector_->grpc_port());
      EXPECT_TRUE(agents.Capture("node-1", absl::Seconds(3)).ok());
      samples += agents.response().capture().samples();
    });
    asked.Send(window, i + 2);
    other.Send(window, i + 2);
  }
  uint64_t commands = 0;
  for (uint64_t i = 0; i < 2 * kCommands; ++i) {
    const v1::StreamResponse response = asked.Receive().value();
    if (!response.has_command()) continue;
    ++commands;
    EXPECT_EQ(absl::Nanoseconds(response.command().capture().duration_ns()), absl::Seconds(3));
    asked.SendCapture(response.command().id() + 1'000'000, 1);  // of nobody
    asked.SendCapture(response.command().id(), 7);
  }
  EXPECT_EQ(commands, kCommands);
  for (std::thread& person : people) person.join();
  EXPECT_EQ(samples, 7 * kCommands);
  for (uint64_t i = 0; i < kCommands; ++i) {
    EXPECT_EQ(other.Receive()->acknowledgement().sequence(), i + 2);
  }
}

TEST_F(CollectorTest, ListsTheConnectedAgents) {
  const Window window = WindowOf("shop", kNow, {{"main", 1}});
  const ReadyAgent two(collector_->grpc_port(), "two", "node-2", window);
  const ReadyAgent one(collector_->grpc_port(), "one", "node-1", window);
  const std::vector<v1::Agent> list = AgentsClient(collector_->grpc_port()).List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].agent(), "one");
  EXPECT_EQ(list[0].node(), "node-1");
  EXPECT_EQ(absl::FromUnixNanos(list[0].connected_unix_ns()), kNow);
}

TEST_F(CollectorTest, ACommandToAnAgentThatGoesAwayFails) {
  auto agent = std::make_unique<ReadyAgent>(collector_->grpc_port(), "a", "node-1",
                                            WindowOf("shop", kNow, {{"main", 1}}));
  grpc::Status status;
  std::thread person(
      [&] { status = AgentsClient(collector_->grpc_port()).Capture("node-1", absl::Seconds(3)); });
  EXPECT_TRUE(agent->Receive()->has_command());
  agent.reset();
  person.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(CollectorTest, ShuttingDownEndsCommands) {
  ReadyAgent agent(collector_->grpc_port(), "a", "node-1", WindowOf("shop", kNow, {{"main", 1}}));
  grpc::Status status;
  std::thread person([&status, port = collector_->grpc_port()] {
    status = AgentsClient(port).Capture("node-1", absl::Seconds(3));
  });
  EXPECT_TRUE(agent.Receive()->has_command());
  Stop();
  person.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(CollectorTest, ACaptureThatNobodyCanTakeIsAnError) {
  AgentsClient agents(collector_->grpc_port());
  EXPECT_EQ(agents.Capture("nowhere", absl::Seconds(3)).error_code(), grpc::StatusCode::NOT_FOUND);
  for (const absl::Duration wrong : {absl::Seconds(61), absl::Seconds(-1)}) {
    EXPECT_EQ(agents.Capture("nowhere", wrong).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_TRUE(agents.List().empty());
}

TEST_F(CollectorTest, AQuestionThatReadsTooMuchOrTakesTooLongIsRefusedAndCounted) {
  options_.query.max_bytes = 1;
  Stop();
  Start();
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(2), {{"main", 6}}), 1);
  QueryClient client(collector_->grpc_port());
  const auto ask = [](QueryClient& from) {
    v1::SeriesResponse response;
    grpc::ClientContext context;
    return from.stub().Series(&context, v1::SeriesRequest(), &response);
  };
  const grpc::Status too_large = ask(client);
  EXPECT_EQ(too_large.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(too_large.error_message(), HasSubstr("--query.max-bytes"));
  EXPECT_EQ(Get("/folded?from=-1h").status, 429);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pilotlight_queries_unanswered_total{reason=\"max_bytes\"} 2"));

  options_.query.timeout = absl::ZeroDuration();
  Stop();
  Start();
  QueryClient again(collector_->grpc_port());
  EXPECT_EQ(ask(again).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pilotlight_queries_unanswered_total{reason=\"timeout\"} 1"));
}

TEST_F(CollectorTest, AnswersTopSeriesLabelsAndTypes) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(2), {{"main;checkout", 6}, {"main;search", 2}}), 1);
  Deliver("b", WindowOf("mail", kNow - absl::Minutes(1), {{"main;send", 1}}), 1);
  clock_.Advance(absl::Seconds(1));
  QueryClient client(collector_->grpc_port());
  {
    v1::TopRequest request;
    request.set_limit(1);
    v1::TopResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().Top(&context, request, &response).ok());
    ASSERT_EQ(response.rows_size(), 1);
    EXPECT_EQ(response.rows(0).function(), "checkout");
    EXPECT_EQ(response.rows(0).flat_count(), 6);
    EXPECT_EQ(response.functions(), 4);
    EXPECT_LT(response.rows(0).flat_share().lower(), 6.0 / 9);
    EXPECT_GT(response.rows(0).flat_share().upper(), 6.0 / 9);
  }
  {
    v1::SeriesRequest request;
    request.add_group_by("service");
    request.set_step_ns(absl::ToInt64Nanoseconds(absl::Hours(1)));
    v1::SeriesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().Series(&context, request, &response).ok());
    ASSERT_EQ(response.series_size(), 2);
    EXPECT_EQ(response.series(0).labels(0).value(), "shop");
    ASSERT_EQ(response.series(0).step_size(), 1);
    EXPECT_EQ(response.series(0).samples(0), 8);
    EXPECT_DOUBLE_EQ(response.series(0).estimated_value(0), 480'000'000);
  }
  {
    v1::LabelValuesRequest request;
    request.set_name("service");
    v1::LabelValuesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().LabelValues(&context, request, &response).ok());
    EXPECT_THAT(response.values(), ElementsAre("mail", "shop"));
    EXPECT_EQ(response.next_page_token(), "");
  }
  {
    v1::LabelNamesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().LabelNames(&context, {}, &response).ok());
    EXPECT_THAT(response.names(), ElementsAre("service_name"));
  }
  {
    v1::ProfileTypesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().ProfileTypes(&context, {}, &response).ok());
    ASSERT_EQ(response.types_size(), 1);
    EXPECT_EQ(response.types(0).sample_type(), "cpu");
  }
}

TEST_F(CollectorTest, LongAnswersComeInPages) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(1), {{"main;checkout", 8}}), 1);
  Deliver("b", WindowOf("mail", kNow - absl::Minutes(1), {{"main;send", 3}}), 1);
  QueryClient client(collector_->grpc_port());
  std::vector<std::string> services;
  v1::LabelValuesRequest values;
  values.set_name("service");
  values.set_page_size(1);
  do {
    v1::LabelValuesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().LabelValues(&context, values, &response).ok());
    ASSERT_EQ(response.values_size(), 1);
    services.push_back(response.values(0));
    values.set_page_token(response.next_page_token());
  } while (!values.page_token().empty());
  EXPECT_THAT(services, ElementsAre("mail", "shop"));

  services.clear();
  v1::SeriesRequest series;
  series.add_group_by("service");
  series.set_page_size(1);
  do {
    v1::SeriesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub().Series(&context, series, &response).ok());
    ASSERT_EQ(response.series_size(), 1);
    services.push_back(response.series(0).labels(0).value());
    series.set_page_token(response.next_page_token());
  } while (!series.page_token().empty());
  EXPECT_THAT(services, ElementsAre("shop", "mail"));

  series.set_page_token("mail");
  v1::SeriesResponse response;
  grpc::ClientContext context;
  const grpc::Status refused = client.stub().Series(&context, series, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("page_token"));
}

TEST_F(CollectorTest, AQuestionThatMakesNoSenseSaysWhy) {
  v1::FlameGraphRequest request;
  request.mutable_selection()->set_selector("{service");
  v1::FlameGraphResponse response;
  grpc::ClientContext context;
  const grpc::Status status =
      QueryClient(collector_->grpc_port()).stub().FlameGraph(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("a selector looks like"));
  EXPECT_EQ(Metric("pilotlight_queries_total{code=\"INVALID_ARGUMENT\",method=\"FlameGraph\"}"), "1");
}

TEST_F(CollectorTest, GoToolPprofReadsTheExportAndTheAddress) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(1), {{"main;checkout", 60}, {"main;search", 20}}), 1);
  v1::ExportRequest request;
  request.set_format(v1::ExportRequest::FORMAT_PPROF);
  grpc::ClientContext context;
  QueryClient client(collector_->grpc_port());
  const auto reader = client.stub().Export(&context, request);
  std::string file;
  v1::ExportResponse part;
  while (reader->Read(&part)) file += part.part();
  ASSERT_TRUE(reader->Finish().ok());
  const std::string path = directory_.path() + "/profile.pb.gz";
  ASSERT_TRUE(WriteFileDurably(path, file).ok());
  for (const std::string& source : {path, Url("/debug/pprof/merge?selector={service=\"shop\"}&from=now-1h"),
                                    Url("/debug/pprof/merge?query={service_name=\"shop\"}&seconds=600")}) {
    const CommandResult top = RunCommand(
        absl::StrCat("cd ", directory_.path(), " && PPROF_TMPDIR=. go tool pprof -top '", source, "' 2>&1"));
    EXPECT_EQ(top.exit_code, 0) << top.output;
    EXPECT_THAT(top.output, testing::ContainsRegex("600ms +75\\.?0*% .*checkout"));
  }
}

TEST_F(CollectorTest, GoToolPprofComparesTwoWindowsAndListsSource) {
  const std::string source = directory_.path() + "/checkout.go";
  ASSERT_TRUE(WriteFileDurably(source, "package main\n\nfunc checkout() {\n\tcharge()\n}\n").ok());
  const auto window = [&source](absl::Time start, uint64_t samples) {
    Window made = WindowOf("shop", start, {{"main", 10}});
    const FrameId frame = made.trie.InternFrame(
        FrameView{.function = "main.checkout", .file = source, .mapping = "/bin/shop", .line = 4});
    Series& series = made.series[0];
    series.samples.push_back({made.trie.Child(series.samples[0].node, frame), samples,
                              static_cast<int64_t>(samples) * series.period});
    return made;
  };
  Deliver("a", window(kNow - absl::Minutes(20), 30), 1);
  Deliver("b", window(kNow - absl::Minutes(10), 50), 1);
  const auto pprof = [this](const std::string& flags, const std::string& span) {
    const CommandResult result =
        RunCommand(absl::StrCat("cd ", directory_.path(), " && PPROF_TMPDIR=. go tool pprof ", flags, " '",
                                Url("/debug/pprof/merge?selector={service=\"shop\"}&"), span, "' 2>&1"));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  };
  const std::string before = Url("/debug/pprof/merge?selector={service=\"shop\"}&from=now-25m&to=now-15m");
  EXPECT_THAT(pprof("-top -diff_base '" + before + "'", "from=now-15m"),
              testing::ContainsRegex("200ms +50\\.?0*%.*main.checkout"));
  EXPECT_THAT(pprof("-list checkout", "from=now-1h"),
              testing::ContainsRegex("800ms +800ms +4:.*charge\\(\\)"));
  EXPECT_THAT(pprof("-raw", "from=now-1h"), HasSubstr("main.checkout " + source + ":4"));
}

TEST_F(CollectorTest, ServesPicturesAndText) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(1), {{"main;check<out>&", 6}}), 1);
  const HttpGetResult svg = Get("/flamegraph.svg?selector={service=\"shop\"}");
  EXPECT_EQ(svg.status, 200);
  EXPECT_THAT(svg.body, HasSubstr("check&lt;out&gt;&amp;"));
  EXPECT_EQ(Get("/folded?from=-1h").body, "main;check<out>& 6\n");
  EXPECT_THAT(Get("/flamegraph.json").body, StartsWith("{"));
  EXPECT_EQ(Get("/-/healthy").status, 200);
  EXPECT_EQ(Get("/-/ready").status, 200);
}

TEST_F(CollectorTest, AnswersTheSameQuestionTheSameWayOverGrpcAndConnect) {
  Deliver("a",
          WindowOf("shop", kNow - absl::Minutes(1),
                   {{"main;a \"b\" ü[go.shape.int];" + std::string(300, 'x'), 6}}),
          1);
  v1::FlameGraphRequest request;
  request.mutable_selection()->set_start_unix_ns(absl::ToUnixNanos(kNow - absl::Minutes(30)));
  v1::FlameGraphResponse expected;
  grpc::ClientContext context;
  ASSERT_TRUE(QueryClient(collector_->grpc_port()).stub().FlameGraph(&context, request, &expected).ok());
  ASSERT_EQ(expected.total_count(0), 6);

  httplib::Client client("127.0.0.1", collector_->http_port());
  const auto proto = client.Post("/pilotlight.v1.Query/FlameGraph", {{"Accept-Encoding", "gzip"}},
                                 request.SerializeAsString(), "application/proto");
  ASSERT_TRUE(proto);
  EXPECT_EQ(proto->status, 200);
  EXPECT_EQ(proto->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(proto->body, expected.SerializeAsString());

  const auto json = client.Post("/pilotlight.v1.Query/FlameGraph", "{}", "application/json");
  ASSERT_TRUE(json);
  EXPECT_EQ(nlohmann::json::parse(json->body).at("names").at(2), "a \"b\" ü[go.shape.int]");

  const auto streaming = client.Post("/pilotlight.v1.Query/Export", "{}", "application/json");
  EXPECT_EQ(streaming->status, 501);
  EXPECT_EQ(nlohmann::json::parse(streaming->body).at("code"), "unimplemented");
}

TEST_F(CollectorTest, TakesProfilesByThePostOfOlderSdks) {
  httplib::Client client("127.0.0.1", collector_->http_port());
  const auto post = [&client](const std::string& query, const std::string& body) {
    const auto answer = client.Post("/ingest?" + query, body, "text/plain");
    EXPECT_TRUE(answer);
    return absl::StrCat(answer->status, " ", answer->body);
  };
  const std::string span = absl::StrCat("&from=", absl::ToUnixSeconds(kNow - absl::Minutes(2)),
                                        "&until=", absl::ToUnixMillis(kNow));
  EXPECT_EQ(
      post("name=shop.cpu{env=prod,pod=a}&format=groups&sampleRate=50" + span, "main;a b 3\nmain;c 4\n"),
      "200 ");
  EXPECT_EQ(post("name=shop{pod=b}&format=lines" + span, "main;a b\nmain;c\nmain;c\n"), "200 ");
  EXPECT_EQ(Get("/folded?selector={service=\"shop\",pod=\"a\",env=\"prod\"}").body, "main;a b 3\nmain;c 4\n");
  EXPECT_EQ(Get("/folded?selector={service=\"shop\"}").body, "main;a b 4\nmain;c 6\n");
  EXPECT_EQ(Get("/debug/pprof/merge").status, 200);

  Profile profile = MakeProfile({{"main;d", 5}}, 10'000'000);
  profile.start = kNow - absl::Minutes(1);
  const auto form = client.Post("/ingest?name=form", {{"profile", WritePprof(profile), "profile.pprof", ""}});
  EXPECT_EQ(form->status, 200);
  EXPECT_EQ(Get("/folded?selector={service=\"form\"}").body, "main;d 5\n");

  EXPECT_THAT(post("name=shop&format=jfr", "x"), StartsWith("501 format=jfr is not taken"));
  EXPECT_THAT(post("format=groups" + span, "main 1\n"), HasSubstr("service_name is missing"));
  EXPECT_THAT(post("name=shop&units=lemons" + span, "main 1\n"), HasSubstr("units=lemons"));
  EXPECT_THAT(post("name=shop{&format=groups" + span, "main 1\n"), StartsWith("400 "));
  EXPECT_THAT(post("name=shop&format=pprof", "main 1\n"), StartsWith("400 "));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pilotlight_ingest_windows_total{outcome=\"stored\"} 3"));
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr("pilotlight_ingest_refused_windows_total{reason=\"not_decodable\"} 1"));
}

TEST_F(CollectorTest, RendersForPyroscopesOlderClients) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(1), {{"main;f", 6}, {"main;g", 2}}), 1);
  Deliver("b", WindowOf("cart", kNow - absl::Minutes(2), {{"main;f", 1}}), 1);
  const std::string type = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";
  const auto render = [&](const std::string& rest) {
    return nlohmann::json::parse(Get("/pyroscope/render?query=" + type + rest).body);
  };
  const nlohmann::json all = render("{}&from=now-1h&until=now&groupBy=service_name");
  const int64_t total = all["flamebearer"]["numTicks"];
  EXPECT_EQ(all["flamebearer"]["names"].size(), 4u);
  EXPECT_EQ(all["metadata"]["units"], "samples");
  const auto sum = [](const nlohmann::json& timeline) {
    const std::vector<int64_t> samples = timeline["samples"];
    return std::accumulate(samples.begin(), samples.end(), int64_t{0});
  };
  EXPECT_EQ(all["timeline"]["samples"].size(), 240u);  // of 15 s
  EXPECT_EQ(sum(all["timeline"]), total);
  EXPECT_EQ(sum(all["groups"]["cart"]) * 9, total);
  EXPECT_EQ(sum(all["groups"]["shop"]) * 9, total * 8);
  const nlohmann::json cart = render("{service_name=\"cart\"}&from=now-1h");
  EXPECT_EQ(cart["flamebearer"]["numTicks"].get<int64_t>() * 9, total);
  EXPECT_EQ(render("{service_name=\"nobody\"}")["flamebearer"]["numTicks"], 0);
  EXPECT_THAT(Get("/pyroscope/render?query=" + type + "{}&format=dot").body, StartsWith("digraph"));

  const nlohmann::json diff =
      nlohmann::json::parse(Get("/pyroscope/render-diff?leftQuery=" + type +
                                "{service_name=\"cart\"}&leftFrom=now-1h&rightQuery=" + type +
                                "{service_name=\"shop\"}&rightFrom=now-1h&rightUntil=now")
                                .body);
  EXPECT_EQ(diff["metadata"]["format"], "double");
  EXPECT_EQ(diff["leftTicks"].get<int64_t>() * 9, total);
  EXPECT_EQ(diff["rightTicks"].get<int64_t>() * 9, total * 8);

  EXPECT_EQ(Get("/pyroscope/render?query=" + type + "{}&format=html").status, 400);
  EXPECT_EQ(Get("/pyroscope/render?query=" + type + "{}&aggregation=average").status, 400);
  EXPECT_EQ(Get("/pyroscope/render?query=" + type + "{}&maxNodes=many").status, 400);
  EXPECT_EQ(Get("/pyroscope/render-diff?leftquery=x").status, 400);
}

TEST_F(CollectorTest, PushesFromManyThreadsAreAllKept) {
  constexpr int kThreads = 8;
  constexpr int kPushes = 20;
  const std::string profile = [] {
    Profile made = MakeProfile({{"main", 1}}, 10'000'000);
    made.start = kNow - absl::Minutes(1);
    return WritePprof(made);
  }();
  std::atomic<int> stored = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      httplib::Client client("127.0.0.1", collector_->http_port());
      for (int push = 0; push < kPushes; ++push) {
        const auto answer =
            client.Post("/ingest?name=shop&format=pprof", profile, "application/octet-stream");
        if (answer && answer->status == 200) ++stored;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, kThreads * kPushes);
  EXPECT_EQ(Get("/folded").body, absl::StrCat("main ", kThreads * kPushes, "\n"));
}

TEST_F(CollectorTest, HttpErrorsArePlainTextThatSaysWhatToDo) {
  Deliver("a", WindowOf("shop", kNow - absl::Minutes(1), {{"main", 6}}), 1);
  const HttpGetResult typo = Get("/folded?form=now-1h");
  EXPECT_EQ(typo.status, 400);
  EXPECT_THAT(typo.body, HasSubstr("\"form\" is not known"));
  const HttpGetResult time = Get("/folded?from=yesterday");
  EXPECT_EQ(time.status, 400);
  EXPECT_THAT(time.body, HasSubstr("now-30m"));
  const HttpGetResult nothing = Get("/debug/pprof/merge?selector={service=\"nobody\"}");
  EXPECT_EQ(nothing.status, 404);
  EXPECT_THAT(nothing.body, HasSubstr("Services in this span: shop"));
  EXPECT_THAT(Get("/").body, Not(HasSubstr("nobody")));
}

TEST_F(CollectorTest, ReflectionListsTheServicesAndHealthServes) {
  // ServerReflectionRequest{list_services: ""}, field 7.
  RawCall reflection(collector_->grpc_port(),
                     "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                     absl::string_view("\x3a\x00", 2));
  const std::string services = reflection.Wait().message;
  EXPECT_THAT(services, HasSubstr("pilotlight.v1.Ingest"));
  EXPECT_THAT(services, HasSubstr("pilotlight.v1.Query"));
  // file_containing_symbol, field 4: clients can call what they have no description of.
  RawCall description(collector_->grpc_port(),
                      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                      "\x22\x15grpc.health.v1.Health");
  EXPECT_THAT(description.Wait().message, HasSubstr("HealthCheckRequest"));
  RawCall health(collector_->grpc_port(), "/grpc.health.v1.Health/Watch", "");
  EXPECT_EQ(health.Wait().message, "\x08\x01");  // SERVING
}

TEST_F(CollectorTest, DropsWhatIsOlderThanTheRetention) {
  Deliver("a", WindowOf("shop", kNow, {{"main", 6}}), 1);
  Stop();
  clock_.Advance(absl::Hours(24 * 800));
  Start();
  // The retention runs at the start, in its own thread.
  const auto gone = [this] {
    return QueryClient(collector_->grpc_port()).Samples("{}", kNow - absl::Hours(1), kNow + absl::Hours(1)) ==
           0;
  };
  while (!gone()) std::this_thread::yield();
}

TEST_F(CollectorTest, ASecondCollectorOnTheSamePortSaysSo) {
  CollectorOptions options = options_;
  prometheus::Registry registry;
  options.grpc_listen_address = absl::StrCat("127.0.0.1:", collector_->grpc_port());
  const absl::Status grpc_status = Collector::Start(options, *store_, clock_, registry).status();
  EXPECT_THAT(std::string(grpc_status.message()), HasSubstr("--grpc.listen-address"));
  options.grpc_listen_address = "127.0.0.1:0";
  options.web_listen_address = absl::StrCat("127.0.0.1:", collector_->http_port());
  const absl::Status web_status = Collector::Start(options, *store_, clock_, registry).status();
  EXPECT_THAT(std::string(web_status.message()), HasSubstr("--web.listen-address"));
}

TEST_F(CollectorTest, DiffOverHttpComparesWithTheSpanBeforeOrWithWhatIsNamed) {
  Deliver("agent-1", WindowOf("shop", kNow - absl::Minutes(15), {{"main;a", 500}, {"main;b", 500}}), 1);
  Deliver("agent-1", WindowOf("shop", kNow - absl::Minutes(5), {{"main;a", 700}, {"main;b", 300}}), 2);
  Deliver("agent-1", WindowOf("search", kNow - absl::Minutes(5), {{"main;c", 50}}), 3);
  const auto diff = [this](const std::string& more) {
    const HttpGetResult answer = Get("/diff.json?from=now-10m&selector=%7Bservice=%22shop%22%7D" + more);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  };
  EXPECT_THAT(diff("&limit=1"),
              HasSubstr(R"("total":{"base":{"count":1000,"value":10000000000},"comparison":{"count":1000,)"));
  EXPECT_THAT(diff("&limit=1"), HasSubstr(R"("significant_flat":2,)"));
  EXPECT_THAT(diff(""), HasSubstr(R"("nodes":[{"name":"total","parent":null,)"));
  EXPECT_THAT(diff("&base_selector=%7Bservice=%22search%22%7D"),
              HasSubstr(R"("total":{"base":{"count":50,)"));
  EXPECT_THAT(diff("&base_from=now-17m&base_to=now-16m"), HasSubstr(R"("total":{"base":{"count":0,)"));
  EXPECT_EQ(Get("/diff.json?base_from=yesterday").status, 400);
}

TEST_F(CollectorTest, ProfileRulesCountEachStoredWindowOnce) {
  Stop();
  options_.config_file = directory_.path() + "/rules.yaml";
  WriteFile("rules:\n  - name: checkout\n    focus: checkout\n");
  Start();
  const Window window = WindowOf("shop", kNow - absl::Seconds(30), {{"main;checkout", 200}, {"main", 50}});
  Deliver("agent-1", window, 1);
  Deliver("agent-1", window, 1);
  EXPECT_EQ(Metric(R"(pilotlight_ingest_windows_total{outcome="duplicate"})"), "1");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="checkout",service="shop"})"), "200");
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_seconds_total{rule="checkout",service="shop"})"), "12");
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_cores{rule="checkout",service="shop"})"), "0.2");
}

TEST_F(CollectorTest, ABadConfigurationIsNotTakenAndTheOldOneStays) {
  Stop();
  options_.config_file = directory_.path() + "/rules.yaml";
  WriteFile("rules:\n  - name: all\n");
  Start();
  WriteFile("rules:\n  - name: all\n    focus: '('\n");
  const CommandResult reload = RunCommand("curl -s --noproxy '*' -X POST " + Url("/-/reload"));
  EXPECT_THAT(reload.output, HasSubstr("rules.yaml:3: focus: "));
  EXPECT_EQ(Metric("pilotlight_config_last_reload_successful"), "0");
  Deliver("agent-1", WindowOf("shop", kNow - absl::Seconds(30), {{"main", 5}}), 1);
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="shop"})"), "5");
  WriteFile("rules: []\n");
  EXPECT_TRUE(collector_->Reload().ok());
  EXPECT_EQ(Metric("pilotlight_config_last_reload_successful"), "1");
  EXPECT_EQ(Metric("pilotlight_rules"), "0");
}

TEST_F(CollectorTest, DoesNotStartWithABadConfiguration) {
  Stop();
  options_.config_file = directory_.path() + "/rules.yaml";
  WriteFile("rules:\n  - fokus: x\n");
  auto store = EmbeddedStores::Open({.path = directory_.path() + "/other"});
  ASSERT_TRUE(store.ok()) << store.status();
  prometheus::Registry registry;
  const auto collector = Collector::Start(options_, **store, clock_, registry);
  EXPECT_THAT(std::string(collector.status().message()), HasSubstr("rules.yaml:2: fokus: "));
}

}  // namespace
}  // namespace pilotlight::collector
