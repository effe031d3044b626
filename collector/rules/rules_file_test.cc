#include "collector/rules/rules_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string ErrorOf(const std::string& yaml) {
  const absl::Status status = ParseRules(yaml, "rules.yaml").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << "\n" << yaml;
  return std::string(status.message());
}

TEST(RulesFileTest, ReadsAllFields) {
  const auto rules = ParseRules(R"(
rules:
  - name: json
    selector: '{namespace="shop"}'
    focus: '^encoding/json\.'
    ignore: selfTest
    group_by: [service, version]
  - name: all
)",
                                "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const Rule json = {.name = "json",
                     .selector = "{namespace=\"shop\"}",
                     .focus = "^encoding/json\\.",
                     .ignore = "selfTest",
                     .group_by = {"service_name", "version"}};
  const Rule all = {.name = "all", .selector = "", .focus = "", .ignore = "", .group_by = {"service_name"}};
  EXPECT_THAT(*rules, ElementsAre(json, all));
}

TEST(RulesFileTest, AnEmptyFileHasNoRules) {
  for (const char* yaml : {"", "# nothing yet\n", "rules:\n", "rules: []\n"}) {
    const auto rules = ParseRules(yaml, "rules.yaml");
    ASSERT_TRUE(rules.ok()) << rules.status();
    EXPECT_THAT(*rules, IsEmpty());
  }
}

TEST(RulesFileTest, NamesLineAndFieldOfAnError) {
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    focus: '('\n"), StartsWith("rules.yaml:3: focus: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    ignore: '['\n"), StartsWith("rules.yaml:3: ignore: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    selector: '{a=}'\n"), StartsWith("rules.yaml:3: selector: "));
  // Without quotes it is a YAML map.
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    selector: {a: b}\n"),
              StartsWith("rules.yaml:3: selector: must be one text"));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    fokus: x\n"),
              StartsWith("rules.yaml:3: fokus: there is no such field; a rule has name, selector"));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    focus: x\n    focus: y\n"),
              StartsWith("rules.yaml:4: focus: is there twice"));
  EXPECT_THAT(ErrorOf("rules:\n  - focus: x\n"), StartsWith("rules.yaml:2: name: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: 'a b'\n"), StartsWith("rules.yaml:2: name: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n  - name: a\n"), StartsWith("rules.yaml:3: name: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    group_by: pod\n"), StartsWith("rules.yaml:3: group_by: "));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    group_by: [pod, __x]\n"),
              HasSubstr("\"__x\" is not the name"));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    group_by: [rule]\n"), HasSubstr("name of the rule"));
  EXPECT_THAT(ErrorOf("rules:\n  - name: a\n    group_by: [service, service_name]\n"), HasSubstr("twice"));
  EXPECT_THAT(ErrorOf("rules:\n  - {name: a, group_by: [tenant]}\n"), HasSubstr("is the name of the tenant"));
  EXPECT_THAT(ErrorOf("rules:\n  - a\n"), StartsWith("rules.yaml:2: a rule: "));
  EXPECT_THAT(ErrorOf("rules: x\n"), StartsWith("rules.yaml:1: rules: must be a list"));
  EXPECT_THAT(ErrorOf("groups: []\n"), StartsWith("rules.yaml:1: groups: "));
  EXPECT_THAT(ErrorOf("- a\n"), StartsWith("rules.yaml:1: the file: "));
  EXPECT_THAT(ErrorOf("rules: [a\n"), HasSubstr("not YAML"));
}

TEST(RulesFileTest, HasALimitOfRules) {
  std::string yaml = "rules:\n";
  for (size_t i = 0; i < kMaxRules; ++i) absl::StrAppend(&yaml, "  - name: r", i, "\n");
  EXPECT_TRUE(ParseRules(yaml, "rules.yaml").ok());
  absl::StrAppend(&yaml, "  - name: more\n");
  EXPECT_THAT(ErrorOf(yaml), HasSubstr("there are 65, the limit is 64"));
}

TEST(RulesFileTest, NamesAFileThatIsNotThere) {
  EXPECT_THAT(std::string(ReadRules("/nowhere/rules.yaml").status().message()),
              HasSubstr("/nowhere/rules.yaml"));
}

}  // namespace
}  // namespace pilotlight::collector
