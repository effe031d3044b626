#include "agent/labels/relabel.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/check.h"

namespace pilotlight::agent {
namespace {

constexpr struct {
  absl::string_view name;
  RelabelAction action;
} kActions[] = {{"replace", RelabelAction::kReplace},     {"keep", RelabelAction::kKeep},
                {"drop", RelabelAction::kDrop},           {"keepequal", RelabelAction::kKeepEqual},
                {"dropequal", RelabelAction::kDropEqual}, {"hashmod", RelabelAction::kHashMod},
                {"labelmap", RelabelAction::kLabelMap},   {"labeldrop", RelabelAction::kLabelDrop},
                {"labelkeep", RelabelAction::kLabelKeep}, {"lowercase", RelabelAction::kLowercase},
                {"uppercase", RelabelAction::kUppercase}};

absl::string_view NameOf(RelabelAction action) {
  return std::ranges::find(kActions, action, [](const auto& known) { return known.action; })->name;
}

bool IsWordCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

const RE2& RegexOf(const RelabelRule& rule) {
  static const auto& any = *new RE2("^(?s:(.*))$");
  return rule.regex == nullptr ? any : *rule.regex;
}

// The word that a template names right after its "$", which is cut off it; nothing when that is none.
std::optional<absl::string_view> TakeWord(absl::string_view& text) {
  absl::string_view rest = text;
  const bool in_braces = absl::ConsumePrefix(&rest, "{");
  const size_t size = static_cast<size_t>(std::ranges::find_if_not(rest, IsWordCharacter) - rest.begin());
  const absl::string_view word = rest.substr(0, size);
  rest.remove_prefix(size);
  if (word.empty() || (in_braces && !absl::ConsumePrefix(&rest, "}"))) return std::nullopt;
  text = rest;
  return word;
}

using Groups = std::vector<re2::StringPiece>;

absl::string_view GroupOf(absl::string_view word, const RE2& regex, const Groups& groups) {
  size_t number = groups.size();
  if (std::ranges::all_of(word, [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); })) {
    // "01" is neither a number nor a name.
    if ((word.size() > 1 && word[0] == '0') || !absl::SimpleAtoi(word, &number)) return "";
  } else if (const auto named = regex.NamedCapturingGroups().find(std::string(word));
             named != regex.NamedCapturingGroups().end()) {
    number = static_cast<size_t>(named->second);
  }
  if (number >= groups.size() || groups[number].data() == nullptr) return "";
  return {groups[number].data(), groups[number].size()};
}

// As Go's regexp.Expand: $1, ${1}, $name, ${name}, and $$ for the sign itself.
std::string Expand(absl::string_view pattern, const RE2& regex, const Groups& groups) {
  std::string expanded;
  while (true) {
    const size_t dollar = pattern.find('$');
    absl::StrAppend(&expanded, pattern.substr(0, dollar));
    if (dollar == absl::string_view::npos) return expanded;
    pattern.remove_prefix(dollar + 1);
    const std::optional<absl::string_view> word =
        absl::ConsumePrefix(&pattern, "$") ? std::nullopt : TakeWord(pattern);
    if (word.has_value()) {
      absl::StrAppend(&expanded, GroupOf(*word, regex, groups));
    } else {
      expanded += '$';
    }
  }
}

std::optional<Groups> Match(const RE2& regex, absl::string_view text) {
  Groups groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  const re2::StringPiece piece(text.data(), text.size());
  if (!regex.Match(piece, 0, text.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
    return std::nullopt;
  }
  return groups;
}

bool Matches(const RE2& regex, absl::string_view text) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

void Set(Labels& labels, const std::string& name, std::string value) {
  if (value.empty()) {
    labels.erase(name);
  } else {
    labels[name] = std::move(value);
  }
}

std::string Value(const Labels& labels, const std::string& name) {
  const auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

// The last eight bytes of the MD5 sum as a number; nothing where MD5 is forbidden.
std::optional<uint64_t> Hash(absl::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned int size = 0;
  constexpr unsigned int kMd5Bytes = 16;
  if (EVP_Digest(text.data(), text.size(), sum.data(), &size, EVP_md5(), nullptr) != 1 || size != kMd5Bytes) {
    return std::nullopt;
  }
  uint64_t number = 0;
  for (size_t i = 8; i < kMd5Bytes; ++i) number = number << 8 | sum[i];
  return number;
}

void Replace(const RelabelRule& rule, absl::string_view value, Labels& labels) {
  const RE2& regex = RegexOf(rule);
  const std::optional<Groups> groups = Match(regex, value);
  if (!groups.has_value()) return;
  const std::string target = Expand(rule.target_label, regex, *groups);
  if (!IsLabelName(target)) return;
  Set(labels, target, Expand(rule.replacement, regex, *groups));
}

void MapLabels(const RelabelRule& rule, Labels& labels) {
  const RE2& regex = RegexOf(rule);
  const Labels before = labels;
  for (const auto& [name, value] : before) {
    const std::optional<Groups> groups = Match(regex, name);
    if (groups.has_value()) Set(labels, Expand(rule.replacement, regex, *groups), value);
  }
}

bool Apply(const RelabelRule& rule, Labels& labels) {
  const std::string value = absl::StrJoin(
      rule.source_labels, rule.separator,
      [&labels](std::string* out, const std::string& name) { absl::StrAppend(out, Value(labels, name)); });
  switch (rule.action) {
    case RelabelAction::kReplace:
      Replace(rule, value, labels);
      return true;
    case RelabelAction::kKeep:
      return Matches(RegexOf(rule), value);
    case RelabelAction::kDrop:
      return !Matches(RegexOf(rule), value);
    case RelabelAction::kKeepEqual:
      return Value(labels, rule.target_label) == value;
    case RelabelAction::kDropEqual:
      return Value(labels, rule.target_label) != value;
    case RelabelAction::kHashMod:
      Set(labels, rule.target_label, absl::StrCat(Hash(value).value_or(0) % rule.modulus));
      return true;
    case RelabelAction::kLabelMap:
      MapLabels(rule, labels);
      return true;
    case RelabelAction::kLabelDrop:
      std::erase_if(labels, [&rule](const auto& label) { return Matches(RegexOf(rule), label.first); });
      return true;
    case RelabelAction::kLabelKeep:
      std::erase_if(labels, [&rule](const auto& label) { return !Matches(RegexOf(rule), label.first); });
      return true;
    case RelabelAction::kLowercase:
      Set(labels, rule.target_label, absl::AsciiStrToLower(value));
      return true;
    case RelabelAction::kUppercase:
      Set(labels, rule.target_label, absl::AsciiStrToUpper(value));
      return true;
  }
  return true;
}

// A label's name, with groups of the expression in it: "${1}_total".
bool IsNameTemplate(const std::string& text) {
  static const auto& form = *new RE2(R"((?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+)");
  return RE2::FullMatch(text, form);
}

bool NeedsTarget(RelabelAction action) {
  switch (action) {
    case RelabelAction::kReplace:
    case RelabelAction::kKeepEqual:
    case RelabelAction::kDropEqual:
    case RelabelAction::kHashMod:
    case RelabelAction::kLowercase:
    case RelabelAction::kUppercase:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool IsLabelName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) &&
         std::ranges::all_of(name, IsWordCharacter);
}

absl::StatusOr<RelabelAction> ParseRelabelAction(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  for (const auto& known : kActions) {
    if (known.name == lower) return known.action;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no action \"", name, "\"; there are ",
      absl::StrJoin(kActions, ", ",
                    [](std::string* out, const auto& known) { absl::StrAppend(out, known.name); })));
}

absl::StatusOr<std::shared_ptr<const RE2>> CompileRelabelRegex(absl::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_shared<const RE2>(absl::StrCat("^(?s:", pattern, ")$"), options);
  if (!regex->ok()) return absl::InvalidArgumentError(regex->error());
  return regex;
}

absl::Status ValidateRelabelRule(const RelabelRule& rule) {
  const RelabelRule defaults;
  const absl::string_view name = NameOf(rule.action);
  const auto error = [name](auto&&... text) {
    return absl::InvalidArgumentError(absl::StrCat("the action ", name, " ", text...));
  };
  for (const std::string& source : rule.source_labels) {
    if (!IsLabelName(source)) {
      return absl::InvalidArgumentError(
          absl::StrCat("source_labels: \"", source, "\" is not the name of a label"));
    }
  }
  if (NeedsTarget(rule.action)) {
    if (rule.target_label.empty()) return error("needs a target_label");
    const bool is_name = rule.action == RelabelAction::kReplace ? IsNameTemplate(rule.target_label)
                                                                : IsLabelName(rule.target_label);
    if (!is_name)
      return error("cannot have the target_label \"", rule.target_label, "\": it is no label's name");
  }
  const bool has_replacement = rule.replacement != defaults.replacement;
  switch (rule.action) {
    case RelabelAction::kHashMod:
      if (rule.modulus == 0) return error("needs a modulus greater than 0");
      if (!Hash("").has_value()) return error("needs MD5, which this machine's OpenSSL does not allow");
      break;
    case RelabelAction::kLabelMap:
      if (!IsNameTemplate(rule.replacement)) {
        return error("cannot have the replacement \"", rule.replacement, "\": it is no label's name");
      }
      break;
    case RelabelAction::kLowercase:
    case RelabelAction::kUppercase:
      if (has_replacement) return error("takes no replacement");
      break;
    case RelabelAction::kKeepEqual:
    case RelabelAction::kDropEqual:
      if (rule.regex != nullptr || rule.modulus != 0 || has_replacement ||
          rule.separator != defaults.separator) {
        return error("takes source_labels and target_label alone");
      }
      break;
    case RelabelAction::kLabelDrop:
    case RelabelAction::kLabelKeep:
      if (!rule.source_labels.empty() || !rule.target_label.empty() || rule.modulus != 0 || has_replacement ||
          rule.separator != defaults.separator) {
        return error("takes a regex alone");
      }
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

bool Relabel(const std::vector<RelabelRule>& rules, Labels& labels) {
  return std::ranges::all_of(rules, [&labels](const RelabelRule& rule) { return Apply(rule, labels); });
}

}  // namespace pilotlight::agent
