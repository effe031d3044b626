#include "cli/blockers_view.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace pilotlight::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

BlockerTable TwoRows() {
  BlockerTable table;
  table.total = {.count = 200, .value = 2'000'000'000};
  table.mcall = {.count = 40, .value = 400'000'000};
  table.joined = {.count = 38, .value = 380'000'000};
  table.rows = {{.function = "main.worker",
                 .file = "main.go",
                 .wait = "runtime.chanrecv1",
                 .mcall = {.count = 30, .value = 300'000'000},
                 .share = {.lower = 0.598, .upper = 0.858}}};
  table.all_rows = 2;
  return table;
}

TEST(BlockersViewTest, ShowsWhatMcallCostsAndWhoCallsIt) {
  TopView view;
  view.subject = "shop";
  const std::string text = BlockersText(TwoRows(), view, /*width=*/0, /*colour=*/false, absl::UTCTimeZone());
  EXPECT_THAT(text, AllOf(HasSubstr("runtime.mcall 20.0% (15.0–26.1); with its caller 95.0% of it\n"),
                          HasSubstr("300ms  75.0%  59.8–85.8  main.worker  runtime.chanrecv1\n"),
                          HasSubstr("and 1 more callers; -n 0 shows all")));
}

TEST(BlockersViewTest, SaysSoWhenNobodyGaveUpTheCpu) {
  EXPECT_THAT(BlockersText({}, {}, /*width=*/0, /*colour=*/false, absl::UTCTimeZone()),
              HasSubstr("No sample has runtime.mcall"));
}

TEST(BlockersViewTest, JsonHasTheSame) {
  const nlohmann::json json = nlohmann::json::parse(BlockersJson(TwoRows(), {}));
  EXPECT_EQ(json["mcall"]["count"], 40);
  EXPECT_EQ(json["joined"]["count"], 38);
  EXPECT_EQ(json["rows"][0]["function"], "main.worker");
  EXPECT_EQ(json["rows"][0]["wait"], "runtime.chanrecv1");
  EXPECT_EQ(json["functions"], 2);
}

}  // namespace
}  // namespace pilotlight::cli
