#include "agent/capture/pprof/pprof_source.h"

#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/http_server.h"
#include "exporters/pprof.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class NoObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t) override {}
};

std::string PprofBytes(int64_t value = 20'000'000) {
  Profile profile;
  profile.period = 10'000'000;
  profile.duration = absl::Seconds(1);
  const FrameId frame = profile.trie.InternFrame(
      FrameView{.function = "main.work", .file = "main.go", .line = 3, .symbolized = true});
  profile.samples.push_back(
      {.node = profile.trie.Child(StackTrie::kRoot, frame), .count = 2, .value = value});
  return WritePprof(profile);
}

// A server whose /debug/pprof/profile answers as told, and the source that asks it.
class PprofSourceTest : public ::testing::Test {
 protected:
  PprofSourceTest() : server_({.listen_address = "127.0.0.1:0"}) {
    server_.Get("/debug/pprof/profile", [this](const HttpRequest& request) {
      asked_seconds_ = request.Parameter("seconds");
      return response_;
    });
    EXPECT_TRUE(server_.Start().ok());
  }

  PprofTarget Target(const std::string& service = "checkout") const {
    return ParsePprofTarget(absl::StrCat(service, "=http://127.0.0.1:", server_.port())).value();
  }

  Capture Run(PprofSourceOptions options, absl::Duration duration = absl::Seconds(2)) {
    const auto source = PprofSource::Create(std::move(options)).value();
    NoObserver observer;
    return source->Run({.duration = duration}, observer, stop_).value();
  }

  // The only reason for a loss, or what else there is.
  std::string LostReason(const Capture& capture) {
    if (capture.lost.size() != 1) return absl::StrCat(capture.lost.size(), " reasons");
    EXPECT_EQ(capture.lost[0].count, 1u);
    return capture.lost[0].reason;
  }
  std::string LostReasonFor(int status, const std::string& body) {
    response_ = {.status = status, .body = body};
    return LostReason(Run({.targets = {Target()}}));
  }

  HttpResponse response_ = {.content_type = "application/octet-stream", .body = PprofBytes()};
  std::string asked_seconds_;
  StopSignal stop_;
  HttpServer server_;
};

TEST_F(PprofSourceTest, AProfileGetsTheNameOfItsService) {
  const Capture capture = Run({.targets = {Target()}});
  ASSERT_THAT(capture.profiles, SizeIs(1));
  const Profile& profile = capture.profiles[0];
  EXPECT_EQ(profile.labels.at("service_name"), "checkout");
  EXPECT_EQ(profile.labels.at("instance"), absl::StrCat("127.0.0.1:", server_.port()));
  EXPECT_EQ(profile.type, ProfileType());
  EXPECT_EQ(Totals(profile.samples).value, 20'000'000);
  EXPECT_THAT(capture.lost, SizeIs(0));
}

TEST_F(PprofSourceTest, AsksForWholeSecondsAndAtLeastOne) {
  Run({.targets = {Target()}}, absl::Seconds(2.9));
  EXPECT_EQ(asked_seconds_, "2");
  Run({.targets = {Target()}}, absl::Milliseconds(10));
  EXPECT_EQ(asked_seconds_, "1");
}

TEST_F(PprofSourceTest, EachRefusalHasItsReason) {
  EXPECT_EQ(LostReasonFor(404, "404 page not found\n"), "no_endpoint");
  EXPECT_EQ(LostReasonFor(500, "Could not enable CPU profiling: cpu profiling already in use\n"), "busy");
  EXPECT_EQ(LostReasonFor(400, "profile duration exceeds server's WriteTimeout\n"), "write_timeout");
  EXPECT_EQ(LostReasonFor(503, "no"), "http_error");
  EXPECT_EQ(LostReasonFor(200, "<html>hello</html>"), "bad_profile");
  EXPECT_EQ(LostReasonFor(200, PprofBytes().substr(0, 50)), "bad_profile");
}

TEST_F(PprofSourceTest, ATooLargeAnswerIsCutOff) {
  EXPECT_EQ(LostReason(Run({.targets = {Target()}, .max_body_bytes = 10})), "too_large");
}

TEST_F(PprofSourceTest, ARedirectToAnotherHostIsNotFollowed) {
  response_ = {.status = 302, .headers = {{"Location", "http://127.0.0.2:1/debug/pprof/profile"}}};
  EXPECT_EQ(LostReason(Run({.targets = {Target()}})), "redirect");
}

TEST_F(PprofSourceTest, OneUnreachableTargetDoesNotHarmTheOthers) {
  HttpServer gone({.listen_address = "127.0.0.1:0"});
  ASSERT_TRUE(gone.Start().ok());
  const PprofTarget unreachable = ParsePprofTarget(absl::StrCat("http://127.0.0.1:", gone.port())).value();
  gone.Stop();
  const Capture capture = Run({.targets = {unreachable, Target()}});
  EXPECT_EQ(LostReason(capture), "unreachable");
  EXPECT_THAT(capture.profiles, SizeIs(1));
}

TEST_F(PprofSourceTest, TargetsBeyondTheLimitTakeTurns) {
  HttpServer other({.listen_address = "127.0.0.1:0"});
  other.Get("/debug/pprof/profile", [](const HttpRequest&) { return HttpResponse{.body = PprofBytes(7)}; });
  ASSERT_TRUE(other.Start().ok());
  const PprofTarget second = ParsePprofTarget(absl::StrCat("b=http://127.0.0.1:", other.port())).value();
  const auto source = PprofSource::Create({.targets = {Target("a"), second}, .max_concurrent = 1}).value();
  NoObserver observer;
  for (const char* const service : {"a", "b", "a"}) {
    const Capture capture = source->Run({.duration = absl::Seconds(1)}, observer, stop_).value();
    ASSERT_THAT(capture.profiles, SizeIs(1));
    EXPECT_EQ(capture.profiles[0].labels.at("service_name"), service);
    EXPECT_EQ(LostReason(capture), "not_its_turn");
  }
}

TEST(PprofSourceCreateTest, RefusesATargetThatIsThereTwice) {
  const PprofTarget target = ParsePprofTarget("http://host:6060").value();
  EXPECT_THAT(PprofSource::Create({.targets = {target, target}}).status().message(), HasSubstr("twice"));
  EXPECT_FALSE(PprofSource::Create({}).ok());
}

TEST_F(PprofSourceTest, StopEndsTheWindow) {
  StopSignal asked;
  StopSignal release;
  HttpServer slow({.listen_address = "127.0.0.1:0"});
  slow.Get("/debug/pprof/profile", [&](const HttpRequest&) {
    asked.Stop();
    release.WaitFor(absl::InfiniteDuration());
    return HttpResponse{};
  });
  ASSERT_TRUE(slow.Start().ok());
  std::thread stopper([&] {
    asked.WaitFor(absl::InfiniteDuration());
    stop_.Stop();
  });
  const PprofTarget target = ParsePprofTarget(absl::StrCat("http://127.0.0.1:", slow.port())).value();
  EXPECT_EQ(LostReason(Run({.targets = {target}}, absl::Hours(1))), "stopped");
  release.Stop();
  stopper.join();
}

TEST(PprofTargetTest, TakesEachUsualFormOfTheUrl) {
  for (const char* const url : {"http://h:6060", "http://h:6060/", "http://h:6060/debug/pprof",
                                "http://h:6060/debug/pprof/", "http://h:6060/debug/pprof/profile"}) {
    const PprofTarget target = ParsePprofTarget(url).value();
    EXPECT_EQ(target.url, "http://h:6060/debug/pprof/profile");
    EXPECT_EQ(target.service, "h");
    EXPECT_EQ(target.instance, "h:6060");
  }
  EXPECT_EQ(ParsePprofTarget("shop=https://h/base/debug/pprof").value().url,
            "https://h/base/debug/pprof/profile");
  EXPECT_EQ(ParsePprofTarget("shop=https://h").value().service, "shop");
  EXPECT_EQ(ParsePprofTarget("http://[::1]:6060").value().service, "[::1]");
}

TEST(PprofTargetTest, RefusesWhatIsNoCpuProfile) {
  EXPECT_FALSE(ParsePprofTarget("host:6060").ok());
  EXPECT_FALSE(ParsePprofTarget("=http://host:6060").ok());
  EXPECT_THAT(ParsePprofTarget("http://h/debug/pprof/heap").status().message(),
              HasSubstr("not a CPU profile"));
  EXPECT_THAT(ParsePprofTarget("http://h/debug/pprof/profile?seconds=5").status().message(),
              HasSubstr("query"));
}

}  // namespace
}  // namespace pilotlight::agent
