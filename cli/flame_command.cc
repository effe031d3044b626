#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/flags.h"
#include "cli/commands.h"
#include "cli/flame_screen.h"
#include "cli/output.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/render.h"
#include "cli/top_view.h"
#include "exporters/pprof.h"
#include "profile/reverse.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight flame -s checkout -i                      to walk about in, here in the terminal
  pilotlight flame -s checkout --out flame.svg         a picture; any browser opens it
  pilotlight flame -s checkout -o folded | grep mcall  text, one stack a line
  pilotlight flame --since 24h --out day.pb.gz         for go tool pprof, speedscope and others
  pilotlight flame -s checkout --out default.pgo       for go build, which optimizes by it
  pilotlight flame cpu.pb.gz --focus 'net/http' --out http.svg
  pilotlight flame perf.folded more.folded --out all.svg

Without -o the name after --out tells the format: .svg, .folded .txt, .pb.gz .pprof .pgo, .json.)";

struct FlameFlags {
  QueryFlags query;
  std::vector<std::string> files;
  std::string format;
  std::string out;
  uint32_t max_nodes = 8192;
  bool interactive = false;
  bool reverse = false;
  std::string title;
  std::string layout = "icicle";
  std::vector<std::string> by;
};

// A line about a file that was written; a pipe's reader has the data itself.
void Summarize(const FlameFlags& flags, const Quality& quality, const ProfileType& type) {
  if (flags.out.empty() || flags.out == "-") return;
  std::vector<std::string> parts = AmountText(quality, type);
  for (std::string& part : QualityText(quality)) parts.push_back(std::move(part));
  std::cerr << flags.out << ": " << absl::StrJoin(parts, ", ") << "\n";
}

int Show(const FlameGraph& graph, const ProfileType& type, const std::string& subject) {
  const absl::Status shown = ShowFlameScreen(graph, type, subject);
  return shown.ok() ? 0 : Fail(shown);
}

Picture PictureOf(const FlameFlags& flags, const std::string& subject) {
  return {.title = flags.title,
          .subject = subject,
          .layout = flags.layout == "flame" ? SvgLayout::kFlame : SvgLayout::kIcicle};
}

int FlameOfFiles(const CLI::App& command, const FlameFlags& flags, ProfileFormat format) {
  if (!flags.by.empty()) {
    return FailUsage(command, absl::InvalidArgumentError("--by is for profiles of the collector; those of "
                                                         "files keep the labels that they have"));
  }
  absl::StatusOr<LabelledProfile> labelled = ReadLabelledProfiles(flags.files, flags.query);
  if (!labelled.ok()) return FailQuery(command, labelled.status());
  const bool is_pprof = !flags.interactive && format == ProfileFormat::kPprof;
  std::string bytes = is_pprof ? WritePprof(*labelled) : "";
  Profile profile = AddUpParts(*std::move(labelled));
  CountFrames(profile);
  if (flags.reverse) ReverseStacks(profile);
  if (profile.samples.empty()) std::cerr << NameFiles(flags.files) << ": no stacks to show.\n";
  if (flags.interactive) {
    return Show(BuildFlameGraph(profile, flags.max_nodes), profile.type, NameFiles(flags.files));
  }
  if (!is_pprof) {
    bytes = Render(profile, format, flags.max_nodes, PictureOf(flags, NameFiles(flags.files)));
  }
  const int exit_code = WriteOrFail(bytes, flags.out);
  if (exit_code == 0) Summarize(flags, QualityOf(profile), profile.type);
  return exit_code;
}

int FlameOfCollector(const CLI::App& command, const FlameFlags& flags, ProfileFormat format) {
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  // The flame graph comes first in any case: it tells how much there is, and how good.
  const bool whole_stacks =
      !flags.interactive && format != ProfileFormat::kSvg && format != ProfileFormat::kJson;
  // On the wire 0 means the collector's default.
  const uint32_t max_nodes = whole_stacks ? 1 : flags.max_nodes == 0 ? UINT32_MAX : flags.max_nodes;
  const absl::StatusOr<FlameAnswer> answer = client.QueryFlameGraph(*selection, max_nodes);
  if (!answer.ok()) return FailQuery(command, answer.status());
  if (answer->quality.samples == 0) {
    ExplainEmpty(*selection, answer->quality, absl::LocalTimeZone());
    return 0;
  }
  const std::string subject =
      absl::StrCat(selection->subject(), ", ", SpanText(selection->span, absl::LocalTimeZone()));
  if (flags.interactive && !flags.reverse) return Show(answer->graph, answer->type, subject);
  std::string bytes;
  if (flags.reverse) {
    absl::StatusOr<Profile> profile = FetchProfile(client, *selection);
    if (!profile.ok()) return FailQuery(command, profile.status());
    ReverseStacks(*profile);
    if (flags.interactive) return Show(BuildFlameGraph(*profile, flags.max_nodes), profile->type, subject);
    bytes = Render(*profile, format, flags.max_nodes, PictureOf(flags, subject));
  } else if (whole_stacks) {
    absl::StatusOr<std::string> exported = client.Export(*selection, format, flags.by);
    if (!exported.ok()) return FailQuery(command, exported.status());
    bytes = *std::move(exported);
  } else {
    bytes = RenderFlameGraph(answer->graph, answer->type, format, PictureOf(flags, subject));
  }
  const int exit_code = WriteOrFail(bytes, flags.out);
  if (exit_code == 0) Summarize(flags, answer->quality, answer->type);
  return exit_code;
}

int RunFlame(const CLI::App& command, const FlameFlags& flags) {
  const absl::StatusOr<ProfileFormat> format = ChooseFormat(flags.format, flags.out, ProfileFormat::kSvg);
  if (!format.ok()) return FailUsage(command, format.status());
  if (const absl::Status fits = CheckFitsTerminal(*format, flags.out); !flags.interactive && !fits.ok()) {
    return FailUsage(command, fits);
  }
  if (flags.reverse && *format == ProfileFormat::kPprof && !flags.interactive) {
    return FailUsage(command, absl::InvalidArgumentError(
                                  "--reverse is for pictures and text: whoever reads pprof takes its stacks "
                                  "to begin with the leaf"));
  }
  return flags.files.empty() ? FlameOfCollector(command, flags, *format)
                             : FlameOfFiles(command, flags, *format);
}

}  // namespace

void AddFlameCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<FlameFlags>();
  CLI::App* const command =
      app.add_subcommand("flame", "The flame graph, or all stacks, in the formats of many tools");
  command->footer(kExamples);
  command->add_option("FILE", flags->files, "pprof, folded or perf script files, merged; - is standard input")
      ->type_name("");
  CLI::Option* const interactive = command->add_flag("-i,--interactive", flags->interactive,
                                                     "Look at it here, in the terminal; ? shows the keys");
  CLI::Option* const output =
      command
          ->add_option(
              "-o,--output", flags->format,
              "svg, folded, pprof, json, speedscope, cpuprofile (Chrome) or dot; svg when nothing tells")
          ->check(CLI::IsMember(FormatNames()))
          ->type_name("FORMAT");
  CLI::Option* const out =
      command->add_option("--out", flags->out, "Write to this file instead of standard output")
          ->type_name("FILE");
  interactive->excludes(output)->excludes(out);
  command
      ->add_option("-n", flags->max_nodes,
                   "At most this many boxes in the terminal and of svg and json, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  command->add_flag("--reverse", flags->reverse,
                    "Turn stacks around: the functions that ran come first, then who called them");
  command->add_option("--layout", flags->layout, "Of svg: icicle has the root on top, flame at the bottom")
      ->check(CLI::IsMember({"icicle", "flame"}))
      ->type_name("LAYOUT")
      ->capture_default_str();
  command->add_option("--title", flags->title, "Of svg")->type_name("TEXT");
  command->add_option("--by", flags->by, "Keep these labels on the samples of pprof, as its tags")
      ->type_name("LABEL,…")
      ->delimiter(',');
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddFrameFilterFlags(*command, flags->query.frames);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunFlame(*command, *flags); }; });
}

}  // namespace pilotlight::cli
