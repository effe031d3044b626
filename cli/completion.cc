#include "cli/completion.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/flags.h"
#include "cli/shell_word.h"

namespace pilotlight::cli {
namespace {

// What may stand for a value.
enum class Values { kAny, kChoices, kFiles, kServices };

struct Argument {
  std::vector<std::string> names;  // "-o", "--output"; none of a positional one
  std::string help;
  std::string value;  // "FORMAT"; empty for a flag
  Values values = Values::kAny;
  std::vector<std::string> choices;
  bool repeated = false;
};

struct Command {
  std::string name;  // empty for the program itself
  std::string help;
  std::vector<Argument> flags;
  std::vector<Argument> positionals;
};

std::vector<const CLI::App*> SubCommands(const CLI::App& app) {
  return app.get_subcommands(IsShown<CLI::App>);
}

std::vector<std::string> NamesOf(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

Argument ToArgument(const CLI::Option& option, const CLI::App& app) {
  Argument argument;
  argument.names = FlagNames(option);
  argument.help = option.get_description();
  argument.value = ValueName(option);
  argument.choices = Choices(option);
  argument.repeated = option.get_items_expected_max() > 1;
  if (argument.value == "COMMAND") argument.choices = NamesOf(SubCommands(app));
  if (!argument.choices.empty()) {
    argument.values = Values::kChoices;
  } else if (argument.value == "FILE") {
    argument.values = Values::kFiles;
  } else if (argument.value == "SELECTOR") {
    argument.values = Values::kServices;
  }
  return argument;
}

Command ToCommand(const CLI::App& command, const CLI::App& app) {
  Command out;
  if (&command != &app) out.name = command.get_name();
  out.help = command.get_description();
  for (const CLI::Option* option : command.get_options(IsShown<CLI::Option>)) {
    (option->get_positional() ? out.positionals : out.flags).push_back(ToArgument(*option, app));
  }
  return out;
}

std::vector<Command> AllCommands(const CLI::App& app) {
  std::vector<Command> commands = {ToCommand(app, app)};
  for (const CLI::App* command : SubCommands(app)) commands.push_back(ToCommand(*command, app));
  return commands;
}

// compgen -W expands its words, so names from elsewhere must not get there.
constexpr const char* kBashHead = R"bash(# bash completion of pilotlight.
_pilotlight_services() {
  local name
  while IFS= read -r name; do
    if [[ $name == "$2"* ]]; then COMPREPLY+=("$(printf '%q' "$name")"); fi
  done < <("$1" labels service_name --timeout 1s 2>/dev/null)
}

_pilotlight() {
  local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
  # bash takes the "=" of --flag=value for a word.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then
      compopt -o default
      return
    fi
    if [[ -z $command && ${COMP_WORDS[i]} != -* ]]; then command=${COMP_WORDS[i]}; fi
  done
  local flags='' words=''
  case $command in
)bash";

constexpr const char* kBashTail = R"bash(  esac
  if [[ $current == -* ]]; then words=$flags; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _pilotlight pilotlight
)bash";

std::string BashAction(const Argument& argument) {
  switch (argument.values) {
    case Values::kChoices:
      return absl::StrCat("words=", ShellQuoted(absl::StrJoin(argument.choices, " ")));
    case Values::kFiles:
      return "compopt -o default; return";
    case Values::kServices:
      return "_pilotlight_services \"$program\" \"$current\"; return";
    case Values::kAny:
      return "return";
  }
  return "";
}

std::string WriteBash(const std::vector<Command>& commands) {
  std::string script = kBashHead;
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  for (const Command& command : commands) {
    std::vector<std::string> flags;
    std::vector<std::string> with_any_value;
    std::string cases;
    for (const Argument& flag : command.flags) {
      flags.insert(flags.end(), flag.names.begin(), flag.names.end());
      if (flag.value.empty()) continue;
      if (flag.values == Values::kAny) {
        with_any_value.insert(with_any_value.end(), flag.names.begin(), flag.names.end());
        continue;
      }
      absl::StrAppend(&cases, "        ", absl::StrJoin(flag.names, " | "), ") ", BashAction(flag), " ;;\n");
    }
    if (!with_any_value.empty()) {
      absl::StrAppend(&cases, "        ", absl::StrJoin(with_any_value, " | "), ") return ;;\n");
    }
    std::string otherwise = ":";
    if (command.name.empty()) otherwise = absl::StrCat("words=", ShellQuoted(absl::StrJoin(names, " ")));
    for (const Argument& positional : command.positionals) {
      if (positional.values != Values::kAny) otherwise = BashAction(positional);
    }
    absl::StrAppend(&script, "    ", command.name.empty() ? "''" : command.name,
                    ")\n      flags=", ShellQuoted(absl::StrJoin(flags, " ")), "\n      case $previous in\n",
                    cases, "        *) if [[ $current != -* ]]; then ", otherwise,
                    "; fi ;;\n      esac\n      ;;\n");
  }
  return script + kBashTail;
}

constexpr const char* kZshHead = R"zsh(#compdef pilotlight
_pilotlight_services() {
  local -a names
  names=(${(f)"$(pilotlight labels service_name --timeout 1s 2>/dev/null)"})
  compadd -a names
}

_pilotlight() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
)zsh";

// Of _arguments: ":VALUE:ACTION".
std::string ZshValue(const Argument& argument) {
  std::string action = " ";
  if (argument.values == Values::kChoices)
    action = absl::StrCat("(", absl::StrJoin(argument.choices, " "), ")");
  if (argument.values == Values::kFiles) action = "_files";
  if (argument.values == Values::kServices) action = "_pilotlight_services";
  return absl::StrCat(":", absl::StrReplaceAll(argument.value, {{":", "\\:"}}), ":", action);
}

std::string ZshFlag(const Argument& flag) {
  std::string text =
      absl::StrCat("[", absl::StrReplaceAll(flag.help, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}}), "]");
  if (!flag.value.empty()) absl::StrAppend(&text, ZshValue(flag));
  std::vector<std::string> specs;
  for (const std::string& name : flag.names) {
    const bool is_long = name.size() > 2;
    specs.push_back(absl::StrCat(
        flag.repeated ? "'*'" : ShellQuoted(absl::StrCat("(", absl::StrJoin(flag.names, " "), ")")), name,
        flag.value.empty() ? "" : (is_long ? "=" : "+"), ShellQuoted(text)));
  }
  return absl::StrJoin(specs, " ");
}

std::string WriteZsh(const std::vector<Command>& commands) {
  std::string script = kZshHead;
  std::string cases;
  std::string program_flags;
  for (const Command& command : commands) {
    std::string flags;
    for (const Argument& flag : command.flags) absl::StrAppend(&flags, " \\\n        ", ZshFlag(flag));
    if (command.name.empty()) {
      program_flags = flags;
      continue;
    }
    absl::StrAppend(&script, "    ", ShellQuoted(absl::StrCat(command.name, ":", command.help)), "\n");
    for (const Argument& positional : command.positionals) {
      absl::StrAppend(&flags, " \\\n        ",
                      ShellQuoted((positional.repeated ? "*" : "") + ZshValue(positional)));
    }
    absl::StrAppend(&cases, "    ", command.name, ")\n      _arguments", flags, "\n      ;;\n");
  }
  absl::StrAppend(&script, "  )\n  _arguments -C", program_flags,
                  " \\\n        '1:command:->command' '*::argument:->argument'\n",
                  "  if [[ $state == command ]]; then\n    _describe command commands\n    return\n  fi\n",
                  "  [[ $state == argument ]] || return\n  case $words[1] in\n", cases, "  esac\n}\n",
                  "if [[ $funcstack[1] == _pilotlight ]]; then\n  _pilotlight \"$@\"\n",
                  "else\n  compdef _pilotlight pilotlight\nfi\n");
  return script;
}

// fish knows "\\" and "\'" in single quotes.
std::string FishQuoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string FishValues(const Argument& argument) {
  switch (argument.values) {
    case Values::kChoices:
      return absl::StrCat(" -x -a ", FishQuoted(absl::StrJoin(argument.choices, " ")));
    case Values::kFiles:
      return " -r -F";
    case Values::kServices:
      return " -x -a '(pilotlight labels service_name --timeout 1s 2>/dev/null)'";
    case Values::kAny:
      return " -x";
  }
  return "";
}

std::string WriteFish(const std::vector<Command>& commands) {
  std::string script = "# fish completion of pilotlight.\ncomplete -c pilotlight -f\n";
  for (const Command& command : commands) {
    std::string condition = "__fish_use_subcommand";
    if (!command.name.empty()) {
      absl::StrAppend(&script, "complete -c pilotlight -n __fish_use_subcommand -a ", command.name, " -d ",
                      FishQuoted(command.help), "\n");
      condition = absl::StrCat("'__fish_seen_subcommand_from ", command.name, "'");
    }
    const std::string head = absl::StrCat("complete -c pilotlight -n ", condition);
    for (const Argument& flag : command.flags) {
      absl::StrAppend(&script, head);
      for (const std::string& name : flag.names) {
        absl::StrAppend(&script, name.size() > 2 ? " -l " + name.substr(2) : " -s " + name.substr(1));
      }
      absl::StrAppend(&script, flag.value.empty() ? "" : FishValues(flag), " -d ", FishQuoted(flag.help),
                      "\n");
    }
    for (const Argument& positional : command.positionals) {
      if (positional.values == Values::kFiles) absl::StrAppend(&script, head, " -F\n");
      if (positional.values == Values::kChoices) {
        absl::StrAppend(&script, head, " -a ", FishQuoted(absl::StrJoin(positional.choices, " ")), "\n");
      }
    }
  }
  return script;
}

}  // namespace

std::string WriteCompletion(const CLI::App& app, const std::string& shell) {
  const std::vector<Command> commands = AllCommands(app);
  if (shell == "zsh") return WriteZsh(commands);
  if (shell == "fish") return WriteFish(commands);
  return WriteBash(commands);
}

}  // namespace pilotlight::cli
