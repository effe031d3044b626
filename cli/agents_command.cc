#include <unistd.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands.h"
#include "cli/query_flags.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight agents                          the nodes that send profiles now
  pilotlight agents -o json
  pilotlight capture --node NODE --for 15s   ask one of them for a profile)";

struct AgentsFlags {
  QueryFlags query;
  std::string format = "table";
};

std::string Json(const std::vector<ConnectedAgent>& agents) {
  nlohmann::json json = nlohmann::json::array();
  for (const ConnectedAgent& agent : agents) {
    json.push_back({{"node", ToValidUtf8(agent.node)},
                    {"agent", ToValidUtf8(agent.agent)},
                    {"version", ToValidUtf8(agent.version)},
                    {"connected", absl::FormatTime(absl::RFC3339_sec, agent.since, absl::UTCTimeZone())}});
  }
  return json.dump(2) + "\n";
}

std::string Text(const std::vector<ConnectedAgent>& agents) {
  Table table({{.title = "node"}, {.title = "version"}, {.title = "connected since"}, {.title = "agent"}});
  for (const ConnectedAgent& agent : agents) {
    table.AddRow({{agent.node},
                  {agent.version},
                  {absl::FormatTime("%Y-%m-%d %H:%M:%S", agent.since, absl::LocalTimeZone())},
                  {agent.agent, Style::kDim}});
  }
  return table.Render(TerminalWidth(STDOUT_FILENO), UseColour(STDOUT_FILENO));
}

int RunAgents(const CLI::App& command, const AgentsFlags& flags) {
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  const absl::StatusOr<std::vector<ConnectedAgent>> agents = client.Agents();
  if (!agents.ok()) return FailQuery(command, agents.status());
  const bool as_json = flags.format == "json";
  if (agents->empty() && !as_json) {
    std::cerr << "No agent is connected to " << flags.query.collector
              << ".\nStart one: pilotlight-agent --collector.address=" << flags.query.collector << "\n";
    return 0;
  }
  return WriteOrFail(as_json ? Json(*agents) : Text(*agents));
}

}  // namespace

void AddAgentsCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<AgentsFlags>();
  CLI::App* const command = app.add_subcommand("agents", "Which nodes send profiles to the collector now");
  command->footer(kExamples);
  AddCollectorFlags(*command, flags->query);
  AddTableFormatFlag(*command, flags->format);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunAgents(*command, *flags); }; });
}

}  // namespace pilotlight::cli
