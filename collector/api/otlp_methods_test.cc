#include "collector/api/otlp_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"
#include "google/rpc/status.pb.h"
#include "nlohmann/json.hpp"
#include "tests/support/memory_store.h"
#include "tests/support/otlp_request.h"

namespace pilotlight::collector {
namespace {

using opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceResponse;
using testing::HasSubstr;

constexpr char kProto[] = "application/x-protobuf";
constexpr char kJson[] = "application/json";

class OtlpMethodsTest : public testing::Test {
 protected:
  OtlpMethodsTest() {
    for (const char* type : {"cpu", "off_cpu"}) {
      OtlpRequest::AddSample(request_.AddProfile(type, "nanoseconds"), stack_, {5});
    }
  }

  HttpResponse Post(const std::string& content_type, const std::string& body,
                    const std::string& version = "") {
    HttpRequest request;
    request.headers["content-type"] = content_type;
    if (!version.empty()) request.headers["otlp-profiles-development-version"] = version;
    request.body = body;
    return AnswerOtlp(ingest_, request, "anonymous");
  }
  OtlpRequest::Sample& second_sample() {
    return *request_.resource().mutable_scope_profiles(0)->mutable_profiles(1)->mutable_samples(0);
  }

  OtlpRequest request_;
  const int32_t stack_ = request_.Stack({request_.Location({"main"})});
  SystemClock clock_;
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  prometheus::Registry registry_;
  IngestMetrics metrics_{registry_};
  IngestContext context_{stores_, {}, clock_, metrics_};
  PushIngest ingest_{context_};
};

// By the names of OTLP's JSON: hexadecimal ids, large numbers as texts, names that are not known.
constexpr char kRequest[] = R"({
  "resourceProfiles": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeProfiles": [{"profiles": [{
      "profileId": "0102030405060708090a0b0c0d0e0fff", "newField": [1],
      "sampleType": {"typeStrindex": 1, "unitStrindex": 2},
      "samples": [{"stackIndex": 1, "linkIndex": 1, "values": ["5"], "timestampsUnixNano": ["1"]}]}]}]}],
  "dictionary": {
    "stringTable": ["", "cpu", "nanoseconds", "main"],
    "linkTable": [{}, {"traceId": "000102030405060708090a0b0c0d0eff", "spanId": "00010203040506ff"}],
    "functionTable": [{}, {"nameStrindex": 3}],
    "locationTable": [{}, {"lines": [{"functionIndex": 1, "line": "7"}]}],
    "stackTable": [{}, {"locationIndices": [1]}]}
})";

TEST_F(OtlpMethodsTest, AnswersInTheFormOfTheRequest) {
  for (const std::string& bytes : {request_.Current(), request_.Previous()}) {
    const HttpResponse response = Post(kProto, bytes);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, kProto);
    EXPECT_EQ(response.body, "");
  }
  EXPECT_EQ(store_.series_count(), 4);
  const HttpResponse response = Post("application/json; charset=utf-8", kRequest);
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, kJson);
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(store_.series_count(), 5);
}

TEST_F(OtlpMethodsTest, SaysHowManyWereRejected) {
  second_sample().set_stack_index(99);
  const HttpResponse response = Post(kProto, request_.Current());
  EXPECT_EQ(response.status, 200);
  ExportProfilesServiceResponse message;
  ASSERT_TRUE(message.ParseFromString(response.body));
  EXPECT_EQ(message.partial_success().rejected_profiles(), 1);
  EXPECT_THAT(message.partial_success().error_message(), HasSubstr("no stack 99"));
}

TEST_F(OtlpMethodsTest, ErrorsAreAStatusInTheFormOfTheRequest) {
  const HttpResponse proto = Post(kProto, "\xff");
  EXPECT_EQ(proto.status, 400);
  EXPECT_EQ(proto.content_type, kProto);
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(proto.body));
  EXPECT_EQ(status.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status.message(), HasSubstr("damaged"));

  for (const char* body :
       {"", "[]", "{\"dictionary\": 1}", R"({"resourceProfiles": [{"scopeProfiles": 5}]})"}) {
    const HttpResponse json = Post(kJson, body);
    EXPECT_EQ(json.status, 400) << body;
    EXPECT_EQ(json.content_type, kJson);
    EXPECT_EQ(nlohmann::json::parse(json.body).at("code"), 3);
  }
  // Go's protobuf takes nothing else.
  const HttpResponse not_utf8 = Post(kJson, kRequest, "\xff");
  EXPECT_THAT(std::string(nlohmann::json::parse(not_utf8.body).at("message")), HasSubstr("\uFFFD"));
  EXPECT_EQ(Post("text/plain", "").status, 415);
}

TEST_F(OtlpMethodsTest, RefusesOtherSchemasByName) {
  EXPECT_EQ(Post(kProto, request_.Current(), "1").status, 200);
  EXPECT_THAT(Post(kProto, request_.Current(), "2").body, HasSubstr("taken are v1development"));
  EXPECT_EQ(Post(kProto, request_.Current(), "2").status, 400);
  EXPECT_EQ(Post(kJson, kRequest, "2").status, 400);
  // Before 1.9, samples had another name.
  const HttpResponse old =
      Post(kJson, R"({"resourceProfiles": [{"scopeProfiles": [{"profiles": [{"sample": []}]}]}]})");
  EXPECT_EQ(old.status, 400);
  EXPECT_THAT(old.body, HasSubstr("taken are v1development"));
}

TEST_F(OtlpMethodsTest, WhatCannotBeStoredNowMayBeSentAgain) {
  store_.SetFailure(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(Post(kProto, request_.Current()).status, 503);
}

}  // namespace
}  // namespace pilotlight::collector
