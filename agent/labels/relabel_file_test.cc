#include "agent/labels/relabel_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

using testing::HasSubstr;

struct Row {
  const char* name;
  const char* yaml;  // below relabel_configs, from line 2 on
  const char* error;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class RelabelFileErrorTest : public testing::TestWithParam<Row> {};

TEST_P(RelabelFileErrorTest, SaysWhereAndWhat) {
  const absl::Status status =
      ParseRelabelFile(std::string("relabel_configs:\n") + GetParam().yaml, "relabel.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RelabelFileErrorTest,
    testing::Values(
        Row{"NoYaml", "- {", "relabel.yaml:2: not YAML: "},
        Row{"NoList", "  action: drop", "relabel.yaml:2: relabel_configs: must be a list"},
        Row{"NoMap", "- drop", "relabel.yaml:2: a rule: must have the fields action, source_labels"},
        Row{"OtherField", "- action: drop\n  source_label: [a]",
            "relabel.yaml:3: source_label: there is no such field"},
        Row{"FieldTwice", "- action: drop\n  action: keep", "relabel.yaml:3: action: is there twice"},
        Row{"OtherAction", "- regex: x\n  action: dorp",
            "relabel.yaml:3: action: there is no action \"dorp\"; there are replace, keep,"},
        Row{"NoRegex", "- action: drop\n  regex: '('", "relabel.yaml:3: regex: missing ): ^(?s:()$"},
        Row{"SourceIsNoList", "- action: drop\n  source_labels: a",
            "relabel.yaml:3: source_labels: must be a list"},
        Row{"SourceIsNoName", "- action: drop\n  source_labels: [a, b-c]",
            "relabel.yaml:2: source_labels: \"b-c\" is not the name"},
        Row{"ModulusIsNoNumber", "- action: hashmod\n  modulus: many",
            "relabel.yaml:3: modulus: must be a number"},
        Row{"NoModulus", "- {action: hashmod, target_label: a}",
            "relabel.yaml:2: the action hashmod needs a modulus"},
        Row{"NoTarget", "- {action: replace}", "the action replace needs a target_label"},
        Row{"TargetIsNoName", "- {target_label: a-b}", "cannot have the target_label \"a-b\""},
        Row{"TargetOfLowercaseHasAGroup", "- {action: lowercase, target_label: $1}",
            "cannot have the target_label"},
        Row{"ReplacementOfUppercase", "- {action: uppercase, target_label: a, replacement: b}",
            "takes no replacement"},
        Row{"ReplacementOfLabelMapIsNoName", "- {action: labelmap, replacement: a-b}",
            "cannot have the replacement \"a-b\""},
        Row{"RegexOfKeepEqual", "- {action: keepequal, target_label: a, regex: b}",
            "takes source_labels and target_label alone"},
        Row{"SourceOfLabelDrop", "- {action: labeldrop, source_labels: [a]}", "takes a regex alone"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(RelabelFileTest, MayHaveNoRules) {
  for (const char* yaml : {"", "relabel_configs:", "relabel_configs: []", "# nothing"}) {
    const auto rules = ParseRelabelFile(yaml, "relabel.yaml");
    ASSERT_TRUE(rules.ok()) << rules.status();
    EXPECT_THAT(*rules, testing::IsEmpty());
  }
}

TEST(RelabelFileTest, RefusesOtherFields) {
  EXPECT_THAT(std::string(ParseRelabelFile("scrape_configs: []", "f.yaml").status().message()),
              HasSubstr("f.yaml:1: scrape_configs: there is no such field; the file has relabel_configs"));
}

TEST(RelabelFileTest, NamesAFileThatIsNotThere) {
  EXPECT_THAT(std::string(ReadRelabelFile("/nowhere/relabel.yaml").status().message()),
              HasSubstr("/nowhere/relabel.yaml"));
}

}  // namespace
}  // namespace pilotlight::agent
