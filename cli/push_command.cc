#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/flags.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/shell_word.h"
#include "exporters/format.h"
#include "exporters/label_name.h"
#include "exporters/pprof.h"
#include "exporters/profile_file.h"
#include "profile/selector.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight push --service checkout cpu.pb.gz       a file of go tool pprof, of record, of any profiler
  perf script | pilotlight push --service checkout --label env=test -
  pilotlight push --service checkout out.folded --sample-rate 997 --from -5m --to now
  pilotlight push --service checkout alloc.folded --type memory:alloc_space:bytes:space:bytes

A pprof file says when it was taken; --from and --to say so of other files, which are of just now without them,
and overrule the file. A collector refuses what is older than it keeps: --to now stores it nevertheless.
perf script says how long a recording took, folded stacks do not: they are of 10s, unless --from and --to are
given. Pushed again, a profile counts again.)";

// Of profiles that do not tell how long they took, as folded stacks do not.
constexpr absl::Duration kUnknownDuration = absl::Seconds(10);

const std::map<std::string, ProfileFileFormat> kFormats = {{"auto", ProfileFileFormat::kAuto},
                                                           {"folded", ProfileFileFormat::kFolded},
                                                           {"perf-script", ProfileFileFormat::kPerfScript},
                                                           {"pprof", ProfileFileFormat::kPprof}};

std::vector<std::string> InputFormatNames() {
  std::vector<std::string> names;
  names.reserve(kFormats.size());
  for (const auto& [name, format] : kFormats) names.push_back(name);
  return names;
}

struct PushFlags {
  QueryFlags query;
  std::vector<std::string> files;
  std::string service;
  std::vector<std::string> labels;
  std::string input_format = "auto";
  uint32_t sample_rate = 99;
  std::string format = "table";
};

struct PushedProfile {
  std::string file;
  LabelledProfile labelled;
};

// What flags say of all profiles.
struct PushPlan {
  Labels labels;
  std::optional<ProfileType> type;
  std::optional<absl::Time> from;
  std::optional<absl::Time> to;
};

absl::StatusOr<Labels> ParseLabels(const PushFlags& flags) {
  if (flags.service.empty()) {
    return absl::InvalidArgumentError("--service is empty; it names whose profiles these are");
  }
  Labels labels = {{std::string(kServiceLabel), flags.service}};
  for (const std::string& text : flags.labels) {
    const std::pair<std::string, std::string> label = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (label.first.empty() || label.second.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--label \"", text, "\" is not NAME=VALUE"));
    }
    if (!IsValidLabelName(label.first)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label ", text,
                       ": a label name is [a-zA-Z_][a-zA-Z0-9_]* without \"__\" in front; choose another"));
    }
    if (!labels.insert(label).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the label ", label.first, " is given twice",
                       label.first == kServiceLabel ? ", by --service too" : ""));
    }
  }
  return labels;
}

absl::StatusOr<PushPlan> MakePlan(const PushFlags& flags, absl::Time now) {
  RETURN_IF_ERROR(CheckAddress(flags.query.collector));
  RETURN_IF_ERROR(CheckPaths(flags.files));
  if (flags.sample_rate == 0) return absl::InvalidArgumentError("--sample-rate must be 1 or more");
  PushPlan plan;
  ASSIGN_OR_RETURN(plan.labels, ParseLabels(flags));
  if (!flags.query.type.empty()) {
    ASSIGN_OR_RETURN(plan.type, ProfileType::Parse(flags.query.type));
  }
  const absl::TimeZone zone = absl::LocalTimeZone();
  if (!flags.query.from.empty()) {
    ASSIGN_OR_RETURN(plan.from, ParseLocalTimeText(flags.query.from, now, zone));
  }
  if (!flags.query.to.empty()) {
    ASSIGN_OR_RETURN(plan.to, ParseLocalTimeText(flags.query.to, now, zone));
  }
  if (plan.from && plan.to && *plan.from >= *plan.to) {
    return absl::InvalidArgumentError("--from is not before --to");
  }
  return plan;
}

// Numbers of which the file does not say what they count.
bool OnlyCounts(const ProfileType& type) { return type.sample_type == "samples" && type.period_type.empty(); }

absl::Status SetType(const PushPlan& plan, uint32_t sample_rate, LabelledProfile& labelled) {
  Profile& profile = labelled.profile;
  if (!OnlyCounts(profile.type)) {
    if (!plan.type) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the file says itself that it is of the type ",
                                                   profile.type.ToString(), ": leave --type out"));
  }
  if (plan.type) {
    profile.type = *plan.type;
    return absl::OkStatus();
  }
  profile.type = ProfileType();
  profile.period = absl::ToInt64Nanoseconds(absl::Seconds(1) / sample_rate);
  int64_t total = 0;
  for (LabelledSamples& part : labelled.parts) {
    for (Sample& sample : part.samples) {
      if (__builtin_mul_overflow(sample.count, profile.period, &sample.value) ||
          __builtin_add_overflow(total, sample.value, &total)) {
        return absl::InvalidArgumentError(
            "the counts add up to more than can be samples; are they of something else? --type says of what");
      }
    }
  }
  return absl::OkStatus();
}

void SetTime(const PushPlan& plan, absl::Time now, Profile& profile) {
  if (plan.from && plan.to) profile.duration = *plan.to - *plan.from;
  if (profile.duration <= absl::ZeroDuration() && !IsInstantaneous(profile.type)) {
    profile.duration = kUnknownDuration;
  }
  const absl::Time end = plan.to.value_or(now);
  if (plan.from) {
    profile.start = *plan.from;
  } else if (plan.to || profile.start == absl::UnixEpoch()) {
    profile.start = end - profile.duration;
  }
}

absl::StatusOr<std::vector<PushedProfile>> ReadAll(const PushFlags& flags, const PushPlan& plan,
                                                   absl::Time now) {
  std::vector<PushedProfile> all;
  for (const std::string& path : flags.files) {
    ASSIGN_OR_RETURN(std::vector<LabelledProfile> profiles,
                     ReadLabelledProfileFile(path, kFormats.at(flags.input_format)));
    for (LabelledProfile& labelled : profiles) {
      if (labelled.parts.empty()) continue;
      if (const absl::Status status = SetType(plan, flags.sample_rate, labelled); !status.ok()) {
        return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
      }
      SetTime(plan, now, labelled.profile);
      all.push_back({NameFiles({path}), std::move(labelled)});
    }
  }
  if (all.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameFiles(flags.files), ": no samples, so there is nothing to push"));
  }
  return all;
}

absl::Status Send(const Labels& plan_labels, const PushedProfile& pushed, absl::Time now,
                  CollectorClient& client) {
  Labels labels = plan_labels;
  labels["__name__"] = pushed.labelled.profile.type.name;
  const absl::Status status = client.Push(labels, WritePprof(pushed.labelled));
  if (status.ok()) return absl::OkStatus();
  constexpr absl::Duration kRecent = absl::Hours(1);
  const bool of_another_time =
      absl::IsInvalidArgument(status) && absl::AbsDuration(now - pushed.labelled.profile.start) > kRecent;
  return absl::Status(status.code(),
                      absl::StrCat(pushed.file, ": ", status.message(),
                                   of_another_time ? "; --to now stores it as of this moment" : ""));
}

std::string SelectorOf(const Labels& labels) {
  const std::string pairs = absl::StrJoin(labels, ", ", [](std::string* out, const auto& label) {
    absl::StrAppend(out, label.first, "=", QuoteForSelector(label.second));
  });
  return absl::StrCat("{", pairs, "}");
}

// The command that shows what was pushed, whole seconds around it.
std::string TopCommand(const PushFlags& flags, const PushPlan& plan, const ProfileType& type,
                       absl::Time start, absl::Time end) {
  const auto seconds = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
  };
  const std::string& service = flags.service;
  const bool by_name = plan.labels.size() == 1 && ShellWord(service) == service;
  const char* const usual = std::getenv("PILOTLIGHT_COLLECTOR");
  const bool usual_collector =
      flags.query.collector == (usual != nullptr ? std::string(usual) : QueryFlags().collector);
  return absl::StrCat("pilotlight top -s ", by_name ? service : ShellWord(SelectorOf(plan.labels)),
                      type == ProfileType() ? "" : " --type " + ShellWord(type.ToString()), " --from ",
                      seconds(start), " --to ", seconds(end + absl::Seconds(1)),
                      usual_collector ? "" : " --collector " + flags.query.collector);
}

int Report(const PushFlags& flags, const PushPlan& plan, const std::vector<PushedProfile>& all) {
  absl::Time start = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();
  std::set<ProfileType> types;
  nlohmann::json list = nlohmann::json::array();
  std::string text;
  for (const auto& [file, labelled] : all) {
    const Profile& profile = labelled.profile;
    const TimeSpan span = {profile.start, profile.start + profile.duration};
    const ProfileTotals total = Totals(labelled);
    start = std::min(start, span.start);
    end = std::max(end, span.end);
    types.insert(profile.type);
    list.push_back({{"file", file},
                    {"profile_type", profile.type.ToString()},
                    {"samples", total.count},
                    {"value", total.value},
                    {"start_unix_ns", absl::ToUnixNanos(span.start)},
                    {"end_unix_ns", absl::ToUnixNanos(span.end)}});
    absl::StrAppend(&text, "Pushed ", file, ": ", FormatCount(static_cast<int64_t>(total.count)),
                    " samples, ", FormatValue(total.value, profile.type.sample_unit), " as ",
                    profile.type.ToString(), ", ", SpanText(span, absl::LocalTimeZone()), "\n");
  }
  nlohmann::json commands = nlohmann::json::array();
  absl::StrAppend(&text, "Look at it:\n");
  for (const ProfileType& type : types) {
    commands.push_back(TopCommand(flags, plan, type, start, end));
    absl::StrAppend(&text, "  ", commands.back().get<std::string>(), "\n");
  }
  if (flags.format == "json") {
    const nlohmann::json json = {{"labels", plan.labels}, {"profiles", list}, {"commands", commands}};
    text = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return WriteOrFail(text);
}

int RunPush(const CLI::App& command, const PushFlags& flags) {
  const absl::Time now = absl::Now();
  const absl::StatusOr<PushPlan> plan = MakePlan(flags, now);
  if (!plan.ok()) return FailUsage(command, plan.status());
  const absl::StatusOr<std::vector<PushedProfile>> all = ReadAll(flags, *plan, now);
  if (!all.ok()) return Fail(all.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  for (size_t i = 0; i < all->size(); ++i) {
    const absl::Status sent = Send(plan->labels, (*all)[i], now, client);
    if (sent.ok()) continue;
    if (i > 0) std::cerr << "Stored before the error: " << i << " of " << all->size() << " profiles.\n";
    return Fail(sent);
  }
  return Report(flags, *plan, *all);
}

}  // namespace

void AddPushCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<PushFlags>();
  CLI::App* const command =
      app.add_subcommand("push", "Send profiles that another profiler took to the collector");
  command->footer(kExamples);
  command->add_option("FILE", flags->files, "pprof, folded or perf script files; - is standard input")
      ->type_name("")
      ->required();
  command->add_option("--service", flags->service, "Whose profiles these are: the label service_name")
      ->type_name("NAME")
      ->required();
  command->add_option("--label", flags->labels, "A further label; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--from", flags->query.from, "When the profile began, if not when the file says")
      ->type_name("TIME");
  command->add_option("--to", flags->query.to, "When it ended: -2h, now, 2024-05-01T12:00:00Z, Unix seconds")
      ->type_name("TIME");
  command->add_option("--format", flags->input_format, "auto, pprof, folded or perf-script")
      ->check(CLI::IsMember(InputFormatNames()))
      ->type_name("FORMAT")
      ->capture_default_str();
  CLI::Option* const sample_rate =
      command->add_option("--sample-rate", flags->sample_rate, "Folded stacks: samples a second of a CPU")
          ->type_name("HZ")
          ->capture_default_str();
  command
      ->add_option("--type", flags->query.type, "Folded stacks: what the numbers are, when not CPU samples")
      ->type_name("TYPE")
      ->excludes(sample_rate);
  AddCollectorFlags(*command, flags->query);
  AddTableFormatFlag(*command, flags->format);
  command->callback([command, flags, &run] { run = [command, flags] { return RunPush(*command, *flags); }; });
}

}  // namespace pilotlight::cli
