#include "collector/api/connect.h"

#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "pilotlight/v1/query.pb.h"

namespace pilotlight::collector {
namespace {

// Answers with what it was asked for.
class EchoApi {
 public:
  absl::Status LabelValues(const v1::LabelValuesRequest& request, const Caller& caller,
                           v1::LabelValuesResponse& response) {
    if (caller.is_abandoned()) return absl::CancelledError("too late");
    if (request.name() == "bad") return absl::FailedPreconditionError("\"bad\" \xff");
    response.add_values(request.name());
    return absl::OkStatus();
  }
};

class ConnectTest : public testing::Test {
 protected:
  HttpResponse Ask(const std::string& content_type, const std::string& body,
                   const std::map<std::string, std::string>& headers = {}) {
    HttpRequest request;
    request.headers = headers;
    request.headers["content-type"] = content_type;
    request.body = body;
    return AnswerConnect(method_, request, "anonymous");
  }
  static std::string Named(const std::string& name) {
    v1::LabelValuesRequest request;
    request.set_name(name);
    return request.SerializeAsString();
  }
  static std::string CodeOf(const HttpResponse& response) {
    EXPECT_EQ(response.content_type, "application/json");
    return nlohmann::json::parse(response.body).at("code");
  }

  EchoApi api_;
  const ConnectMethod method_ = MakeConnectMethod(api_, &EchoApi::LabelValues);
};

TEST_F(ConnectTest, AnswersInTheFormOfTheQuestion) {
  const std::string name = "a b;\"\\c\n[go.shape.int] \u4e16\U0001F600";
  const HttpResponse proto = Ask("application/proto", Named(name), {{"connect-protocol-version", "1"}});
  EXPECT_EQ(proto.status, 200);
  EXPECT_EQ(proto.content_type, "application/proto");
  v1::LabelValuesResponse message;
  ASSERT_TRUE(message.ParseFromString(proto.body));
  EXPECT_EQ(message.values(0), name);

  const HttpResponse json =
      Ask("application/json; charset=utf-8", nlohmann::json({{"name", name}, {"new", 1}}).dump());
  EXPECT_EQ(json.content_type, "application/json");
  EXPECT_EQ(nlohmann::json::parse(json.body).at("values").at(0), name);
}

TEST_F(ConnectTest, ErrorsAreJsonWithTheCodeAndItsHttpStatus) {
  const HttpResponse response = Ask("application/proto", Named("bad"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(CodeOf(response), "failed_precondition");
  EXPECT_EQ(CodeOf(ConnectError(absl::CancelledError(""))), "canceled");
  EXPECT_EQ(ConnectError(absl::CancelledError("")).status, 499);
  EXPECT_EQ(CodeOf(ConnectError(absl::UnimplementedError(""))), "unimplemented");
}

TEST_F(ConnectTest, RefusesWhatIsNoMessage) {
  EXPECT_EQ(CodeOf(Ask("application/proto", "\xff")), "invalid_argument");
  EXPECT_EQ(CodeOf(Ask("application/proto", Named("\xff"))), "invalid_argument");
  EXPECT_EQ(CodeOf(Ask("application/json", "")), "invalid_argument");
  EXPECT_EQ(CodeOf(Ask("application/json", "{\"name\":1}")), "invalid_argument");
  EXPECT_EQ(CodeOf(Ask("application/json", std::string(100'000, '['))), "invalid_argument");
}

TEST_F(ConnectTest, RefusesWhatItDoesNotSpeak) {
  EXPECT_EQ(Ask("application/grpc", "").status, 415);
  EXPECT_EQ(Ask("application/json2", "{}").headers.at("Accept-Post"), "application/proto, application/json");
  EXPECT_EQ(CodeOf(Ask("application/proto", "", {{"connect-protocol-version", "2"}})), "invalid_argument");
  EXPECT_EQ(CodeOf(Ask("application/proto", "", {{"content-encoding", "zstd"}})), "unimplemented");
}

TEST_F(ConnectTest, KeepsTheCallersDeadline) {
  EXPECT_EQ(Ask("application/proto", "", {{"connect-timeout-ms", "9999999999"}}).status, 200);
  const HttpResponse late = Ask("application/proto", "", {{"connect-timeout-ms", "0"}});
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(CodeOf(late), "deadline_exceeded");
  for (const char* bad : {"-1", "1s", "99999999999"}) {
    EXPECT_EQ(CodeOf(Ask("application/proto", "", {{"connect-timeout-ms", bad}})), "invalid_argument") << bad;
  }
}

}  // namespace
}  // namespace pilotlight::collector
