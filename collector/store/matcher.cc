#include "collector/store/matcher.h"

#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "re2/re2.h"

namespace pilotlight::collector {
namespace {

constexpr absl::string_view kServiceAlias = "service";
constexpr absl::string_view kExample = R"(a selector looks like {service="checkout", pod=~"checkout-.*"})";

void AppendUtf8(uint32_t code_point, std::string& text) {
  const auto put = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3f));
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
}

bool IsNameStart(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsNamePart(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool IsQuote(char c) { return c == '"' || c == '\'' || c == '`'; }

// One pass over the text; positions in errors count bytes from 1.
class SelectorParser {
 public:
  explicit SelectorParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Matcher>> Parse() {
    std::vector<Matcher> matchers;
    SkipSpace();
    if (AtEnd()) return matchers;
    if (!Consume('{')) return Wrong("expected '{'");
    SkipSpace();
    while (!Consume('}')) {
      ASSIGN_OR_RETURN(Matcher matcher, ParseMatcher());
      matchers.push_back(std::move(matcher));
      SkipSpace();
      if (!Consume(',') && Peek() != '}') return Wrong("expected ',' or '}'");
      SkipSpace();
    }
    SkipSpace();
    if (!AtEnd()) return Wrong("expected nothing after '}'");
    return matchers;
  }

 private:
  absl::StatusOr<Matcher> ParseMatcher() {
    ASSIGN_OR_RETURN(std::string name, ParseName());
    SkipSpace();
    ASSIGN_OR_RETURN(const Matcher::Kind kind, ParseOperator());
    SkipSpace();
    const size_t value_start = position_;
    if (!IsQuote(Peek())) return Wrong("expected a quoted value");
    ASSIGN_OR_RETURN(std::string value, ParseQuoted());
    if (name == kServiceAlias) name = std::string(kServiceLabel);
    absl::StatusOr<Matcher> matcher = Matcher::Create(kind, std::move(name), std::move(value));
    if (!matcher.ok()) return WrongAt(value_start, matcher.status().message());
    return matcher;
  }

  // A plain name, or any text in quotes as Prometheus 3 has it.
  absl::StatusOr<std::string> ParseName() {
    const size_t start = position_;
    if (IsQuote(Peek())) {
      ASSIGN_OR_RETURN(std::string name, ParseQuoted());
      if (name.empty()) return WrongAt(start, "a label name cannot be empty");
      return name;
    }
    if (!IsNameStart(Peek())) return Wrong("expected a label name");
    while (IsNamePart(Peek())) ++position_;
    return std::string(text_.substr(start, position_ - start));
  }

  absl::StatusOr<Matcher::Kind> ParseOperator() {
    if (Consume('=')) return Consume('~') ? Matcher::Kind::kMatches : Matcher::Kind::kEqual;
    if (Consume('!')) {
      if (Consume('=')) return Matcher::Kind::kNotEqual;
      if (Consume('~')) return Matcher::Kind::kNotMatches;
    }
    return Wrong("expected one of = != =~ !~");
  }

  // REQUIRES: at a quote.
  absl::StatusOr<std::string> ParseQuoted() {
    const size_t start = position_;
    const char quote = text_[position_++];
    std::string value;
    while (!AtEnd()) {
      const char c = text_[position_];
      if (c == quote) {
        ++position_;
        return value;
      }
      if (c == '\n' && quote != '`') return Wrong("a line break inside quotes; write \\n");
      if (c == '\\' && quote != '`') {
        RETURN_IF_ERROR(ParseEscape(quote, value));
      } else {
        value.push_back(c);
        ++position_;
      }
    }
    return WrongAt(start, "the quote is not closed");
  }

  // Go's escapes, which are PromQL's: https://go.dev/ref/spec#Rune_literals
  absl::Status ParseEscape(char quote, std::string& value) {
    const size_t start = position_++;
    const char c = Peek();
    constexpr absl::string_view kNames = "abfnrtv\\";
    constexpr absl::string_view kMeanings = "\a\b\f\n\r\t\v\\";
    if (const size_t index = kNames.find(c); !AtEnd() && index != absl::string_view::npos) {
      value.push_back(kMeanings[index]);
      ++position_;
      return absl::OkStatus();
    }
    if (c == quote) {
      value.push_back(c);
      ++position_;
      return absl::OkStatus();
    }
    switch (c) {
      case 'x':
        return ParseByte(start, /*skip=*/1, /*digits=*/2, /*base=*/16, value);
      case 'u':
        return ParseCodePoint(start, /*digits=*/4, value);
      case 'U':
        return ParseCodePoint(start, /*digits=*/8, value);
      default:
        if (c >= '0' && c <= '7') return ParseByte(start, /*skip=*/0, /*digits=*/3, /*base=*/8, value);
        return WrongAt(start, "unknown escape");
    }
  }

  absl::Status ParseByte(size_t start, size_t skip, int digits, uint32_t base, std::string& value) {
    position_ += skip;
    uint32_t byte = 0;
    if (!ParseDigits(digits, base, byte) || byte > 0xff) return WrongAt(start, "bad escape");
    value.push_back(static_cast<char>(byte));
    return absl::OkStatus();
  }

  absl::Status ParseCodePoint(size_t start, int digits, std::string& value) {
    ++position_;
    uint32_t code_point = 0;
    const bool read = ParseDigits(digits, 16, code_point);
    const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
    if (!read || code_point > 0x10ffff || surrogate) return WrongAt(start, "bad escape");
    AppendUtf8(code_point, value);
    return absl::OkStatus();
  }

  bool ParseDigits(int digits, uint32_t base, uint32_t& number) {
    for (; digits > 0; --digits, ++position_) {
      const char c = absl::ascii_tolower(static_cast<unsigned char>(Peek()));
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
      const auto digit = static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
      if (digit >= base) return false;
      number = number * base + digit;
    }
    return true;
  }

  bool AtEnd() const { return position_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  bool Consume(char c) {
    if (AtEnd() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  void SkipSpace() {
    while (!AtEnd() && absl::ascii_isspace(static_cast<unsigned char>(text_[position_]))) ++position_;
  }

  absl::Status Wrong(absl::string_view what) const { return WrongAt(position_, what); }
  absl::Status WrongAt(size_t position, absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("selector ", text_, ": position ", position + 1, ": ", what, "; ", kExample));
  }

  const absl::string_view text_;
  size_t position_ = 0;
};

}  // namespace

absl::StatusOr<Matcher> Matcher::Create(Kind kind, std::string name, std::string value) {
  Matcher matcher;
  matcher.kind_ = kind;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  if (kind == Kind::kMatches || kind == Kind::kNotMatches) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);  // Prometheus compiles ^(?s:…)$
    auto expression = std::make_shared<const re2::RE2>(
        re2::StringPiece(matcher.value_.data(), matcher.value_.size()), options);
    if (!expression->ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("bad expression \"", matcher.value_, "\": ", expression->error()));
    }
    matcher.expression_ = std::move(expression);
  }
  return matcher;
}

bool Matcher::MatchesValue(absl::string_view value) const {
  switch (kind_) {
    case Kind::kEqual:
      return value == value_;
    case Kind::kNotEqual:
      return value != value_;
    case Kind::kMatches:
      return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *expression_);
    case Kind::kNotMatches:
      return !re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *expression_);
  }
  return false;
}

bool Matcher::Matches(const Labels& labels) const {
  const auto label = labels.find(name_);
  return MatchesValue(label == labels.end() ? absl::string_view() : label->second);
}

bool AllMatch(const std::vector<Matcher>& matchers, const Labels& labels) {
  for (const Matcher& matcher : matchers) {
    if (!matcher.Matches(labels)) return false;
  }
  return true;
}

absl::StatusOr<std::vector<Matcher>> ParseSelector(absl::string_view selector) {
  return SelectorParser(selector).Parse();
}

}  // namespace pilotlight::collector
