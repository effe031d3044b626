// The command-line program: asks a collector, reads profile files, and records without either.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/flags.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/help_formatter.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kFooter = R"(Start with:
  pilotlight top                      what uses CPU time, over all services, in the last hour
  pilotlight top -s checkout --cum    one service, with all that its functions call
  pilotlight flame -s checkout --out flame.svg
  pilotlight record --pid 1234 --out flame.svg     without a collector
  pilotlight record -- ./program --its-flag
Every command explains itself with examples: pilotlight top --help)";

constexpr const char* kCompletionExamples = R"(Examples:
  source <(pilotlight completion bash)                              now, or in ~/.bashrc
  pilotlight completion bash >/etc/bash_completion.d/pilotlight     for everybody
  pilotlight completion zsh >"${fpath[1]}/_pilotlight"
  pilotlight completion fish >~/.config/fish/completions/pilotlight.fish

After --selector the names of services are offered, when the collector answers within a second.)";

bool HasCommand(const CLI::App& app, const std::string& name) {
  const std::vector<const CLI::App*> commands = app.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(commands.begin(), commands.end(),
                     [&name](const CLI::App* command) { return command->get_name() == name; });
}

int FailUnknownCommand(const std::string& name) {
  std::cerr << "pilotlight: there is no command \"" << name << "\"\nSee pilotlight --help.\n";
  return kExitUsage;
}

// What stands after "--" is another program's: CLI11 must not see it. Shortens `argc`.
std::vector<std::string> TakeCommandLine(int& argc, const char* const* argv) {
  if (argc < 2 || std::strcmp(argv[1], "record") != 0) return {};
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "--") != 0) continue;
    std::vector<std::string> command_line(argv + i + 1, argv + argc);
    argc = i;
    return command_line;
  }
  return {};
}

int Main(int argc, const char* const* argv) {
  std::vector<std::string> command_line = TakeCommandLine(argc, argv);
  CLI::App app("CPU profiles of your services, from a collector, a file, or recorded now", "pilotlight");
  // Sub-commands take it over from here.
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.footer(kFooter);
  Run run;
  AddTopCommand(app, run);
  AddFlameCommand(app, run);
  AddDiffCommand(app, run);
  AddPeekCommand(app, run);
  AddListCommand(app, run);
  AddDoctorCommand(app, run);
  AddQueryCommand(app, run);
  AddLabelsCommand(app, run);
  AddAgentsCommand(app, run);
  AddCaptureCommand(app, run);
  AddPushCommand(app, run);
  AddRecordCommand(app, std::move(command_line), run);
  std::string shell;
  CLI::App* const completion = app.add_subcommand("completion", "Print what makes a shell complete commands");
  completion->footer(kCompletionExamples);
  completion->add_option("SHELL", shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("")
      ->required();
  completion->callback([&] {
    run = [&] {
      std::cout << WriteCompletion(app, shell);
      return 0;
    };
  });
  app.add_subcommand("version", "Print the version")->callback([&run] {
    run = [] {
      std::cout << "pilotlight " << kVersion << "\n";
      return 0;
    };
  });
  std::string help_about;
  CLI::App* const help = app.add_subcommand("help", "Print this help, or that of a command");
  help->add_option("COMMAND", help_about, "A command")->type_name("");
  help->callback([&] {
    run = [&] {
      if (!help_about.empty() && !HasCommand(app, help_about)) return FailUnknownCommand(help_about);
      const CLI::App& about = help_about.empty() ? app : *app.get_subcommand(help_about);
      // Not app.help(), which is about the command that was typed: this one.
      std::cout << about.get_formatter()->make_help(
                       &about, help_about.empty() ? "pilotlight" : "pilotlight " + help_about,
                       CLI::AppFormatMode::Normal)
                << "\n";
      return 0;
    };
  });
  if (argc > 1 && argv[1][0] != '-' && !HasCommand(app, argv[1])) {
    return FailUnknownCommand(argv[1]);
  }
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  // What libraries have to say is for the person at the terminal.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("pilotlight"));
  spdlog::set_level(spdlog::level::warn);
  spdlog::set_pattern("pilotlight: %v");
  return run();
}

}  // namespace
}  // namespace pilotlight::cli

// CLI11 throws only for flags that are declared wrongly, beside what ParseFlags catches.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  return pilotlight::cli::Main(argc, argv);
}
