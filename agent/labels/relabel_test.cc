#include "agent/labels/relabel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "agent/labels/relabel_file.h"

namespace pilotlight::agent {
namespace {

// One rule as a flow map: "action: drop, regex: x".
std::optional<Labels> Apply(const std::string& rule, Labels labels) {
  const absl::StatusOr<std::vector<RelabelRule>> rules =
      ParseRelabelFile("relabel_configs: [{" + rule + "}]", "file");
  EXPECT_TRUE(rules.ok()) << rule << ": " << rules.status();
  if (!rules.ok() || !Relabel(*rules, labels)) return std::nullopt;
  return labels;
}

struct Row {
  const char* name;
  const char* rule;
  Labels before;
  std::optional<Labels> after;  // nothing: dropped
};

// Without it gtest prints bytes.
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class RelabelTest : public testing::TestWithParam<Row> {};

TEST_P(RelabelTest, Applies) { EXPECT_EQ(Apply(GetParam().rule, GetParam().before), GetParam().after); }

INSTANTIATE_TEST_SUITE_P(
    Actions, RelabelTest,
    testing::Values(
        Row{"ReplaceIsTheDefault",
            "source_labels: [a, b], target_label: c",
            {{"a", "1"}, {"b", "2"}},
            Labels{{"a", "1"}, {"b", "2"}, {"c", "1;2"}}},
        Row{"ReplaceWithGroups",
            "source_labels: [pod], regex: '(.*)-(?P<n>\\d+)', target_label: 'x_${1}', replacement: '$n of "
            "${1}$$$2'",
            {{"pod", "db-3"}},
            Labels{{"pod", "db-3"}, {"x_db", "3 of db$3"}}},
        Row{"ReplaceWithASeparator",
            "source_labels: [a, none, b], separator: '', target_label: c",
            {{"a", "1"}, {"b", "2"}},
            Labels{{"a", "1"}, {"b", "2"}, {"c", "12"}}},
        Row{"ReplaceByNothing",
            "target_label: a, replacement: ''",
            {{"a", "1"}, {"b", "2"}},
            Labels{{"b", "2"}}},
        Row{"ReplaceWithoutSources", "target_label: a, replacement: x", {}, Labels{{"a", "x"}}},
        Row{"ReplaceNeedsTheWholeValue",
            "source_labels: [a], regex: b, target_label: c, replacement: x",
            {{"a", "abc"}},
            Labels{{"a", "abc"}}},
        Row{"ReplaceWhereTheTargetIsNoName",
            "source_labels: [a], regex: '(.*)', target_label: '$1', replacement: x",
            {{"a", "1-2"}},
            Labels{{"a", "1-2"}}},
        Row{"ReplaceOverALineEnd",
            "source_labels: [a], target_label: b",
            {{"a", "1\n2"}},
            Labels{{"a", "1\n2"}, {"b", "1\n2"}}},
        Row{"ReplaceByTheUnknown",
            "source_labels: [a], target_label: b, replacement: '<$2$x${01}$1x>'",
            {{"a", "1"}},
            Labels{{"a", "1"}, {"b", "<>"}}},
        Row{"ReplaceByBareSigns",
            "source_labels: [a], target_label: b, replacement: '$ ${} ${1 $'",
            {{"a", "1"}},
            Labels{{"a", "1"}, {"b", "$ ${} ${1 $"}}},
        Row{"Keep", "action: keep, source_labels: [a], regex: x.*", {{"a", "xy"}}, Labels{{"a", "xy"}}},
        Row{"KeepNot", "action: keep, source_labels: [a], regex: x.*", {{"a", "yx"}}, std::nullopt},
        Row{"KeepWithoutTheLabel", "action: keep, source_labels: [a], regex: x.*", {}, std::nullopt},
        Row{"Drop", "action: drop, source_labels: [a], regex: x|y", {{"a", "y"}}, std::nullopt},
        Row{"DropNot", "action: drop, source_labels: [a], regex: x|y", {{"a", "xy"}}, Labels{{"a", "xy"}}},
        Row{"DropWithoutARegexDropsAll", "action: drop", {}, std::nullopt},
        Row{"KeepEqual",
            "action: keepequal, source_labels: [a, b], target_label: c",
            {{"a", "1"}, {"b", "2"}, {"c", "1;2"}},
            Labels{{"a", "1"}, {"b", "2"}, {"c", "1;2"}}},
        Row{"KeepEqualNot",
            "action: keepequal, source_labels: [a], target_label: b",
            {{"a", "1"}},
            std::nullopt},
        Row{"DropEqual",
            "action: dropequal, source_labels: [a], target_label: b",
            {{"a", "1"}, {"b", "1"}},
            std::nullopt},
        Row{"DropEqualNot",
            "action: dropequal, source_labels: [a], target_label: b",
            {{"a", "1"}},
            Labels{{"a", "1"}}},
        // The low half of md5("42") is 0xd8461063f4ac58a6.
        Row{"HashMod",
            "action: hashmod, source_labels: [a], target_label: shard, modulus: 100",
            {{"a", "42"}},
            Labels{{"a", "42"}, {"shard", "6"}}},
        Row{"LabelMap",
            "action: labelmap, regex: 'm_(.+)'",
            {{"m_a", "1"}, {"m_", "2"}, {"b", "3"}},
            Labels{{"m_a", "1"}, {"m_", "2"}, {"b", "3"}, {"a", "1"}}},
        Row{"LabelMapOfAllThatWereThere",
            "action: labelmap, regex: '(.*)', replacement: 'x$1'",
            {{"a", "1"}, {"xa", "2"}},
            Labels{{"a", "1"}, {"xa", "1"}, {"xxa", "2"}}},
        Row{"LabelDrop",
            "action: labeldrop, regex: 'a|b.'",
            {{"a", "1"}, {"bc", "2"}, {"ab", "3"}},
            Labels{{"ab", "3"}}},
        Row{"LabelKeep",
            "action: labelkeep, regex: 'a|b.'",
            {{"a", "1"}, {"bc", "2"}, {"ab", "3"}},
            Labels{{"a", "1"}, {"bc", "2"}}},
        Row{"Lowercase",
            "action: lowercase, source_labels: [a, a], target_label: b",
            {{"a", "Xy"}},
            Labels{{"a", "Xy"}, {"b", "xy;xy"}}},
        Row{"Uppercase",
            "action: UpperCase, source_labels: [a], target_label: a",
            {{"a", "Xy"}},
            Labels{{"a", "XY"}}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(RelabelRulesTest, AreAppliedInTheirOrder) {
  const auto rules = ParseRelabelFile(R"(
relabel_configs:
  - {source_labels: [a], target_label: b}
  - {source_labels: [b], target_label: c, replacement: '<$1>'}
  - {action: labeldrop, regex: a}
)",
                                      "file");
  Labels labels = {{"a", "1"}};
  ASSERT_TRUE(rules.ok() && Relabel(*rules, labels));
  EXPECT_EQ(labels, (Labels{{"b", "1"}, {"c", "<1>"}}));
}

}  // namespace
}  // namespace pilotlight::agent
