#include "collector/maintenance/commands.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "collector/store/embedded/embedded_stores.h"
#include "collector/store/embedded/store_check.h"
#include "nlohmann/json.hpp"

namespace pilotlight::collector {
namespace {

// On a terminal: how far it is, on a line that is written over.
CheckProgress ShowProgress() {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  return [](uint64_t done, uint64_t total) {
    std::fprintf(stderr, "\rreading tables: %3.0f %%",
                 total == 0 ? 100.0 : 100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (done == total) std::fprintf(stderr, "\r%*s\r", 24, "");
  };
}

nlohmann::json ToJson(const StoreCheck& check) {
  return {{"clean", check.clean()},           {"tables", check.tables},
          {"table_bytes", check.table_bytes}, {"blocks", check.blocks},
          {"records", check.records},         {"sums_compared", check.sums_compared},
          {"lost_names", check.lost_names},   {"lost_finer_sums", check.lost_finer_sums},
          {"problems", check.problems},       {"examples", check.examples}};
}

nlohmann::json ToJson(const StoreRepair& repair) {
  return {{"before", ToJson(repair.before)},       {"after", ToJson(repair.after)},
          {"salvaged", repair.salvaged},           {"deleted_records", repair.deleted_records},
          {"closed_blocks", repair.closed_blocks}, {"reopened_spans", repair.reopened_spans}};
}

void AppendLine(const std::string& what, uint64_t count, std::string& out) {
  absl::StrAppendFormat(&out, "%-24s %12d\n", what, count);
}

std::string ToText(const StoreCheck& check) {
  std::string out;
  AppendLine("tables", check.tables, out);
  AppendLine("bytes of tables", check.table_bytes, out);
  AppendLine("blocks", check.blocks, out);
  for (const auto& [kind, records] : check.records) AppendLine(absl::StrCat("records: ", kind), records, out);
  AppendLine("sums compared", check.sums_compared, out);
  if (check.lost_names > 0) AppendLine("lost before: names", check.lost_names, out);
  if (check.lost_finer_sums > 0) AppendLine("lost before: finer", check.lost_finer_sums, out);
  for (const auto& [kind, count] : check.problems) AppendLine(absl::StrCat("WRONG: ", kind), count, out);
  for (const std::string& example : check.examples) absl::StrAppend(&out, "  ", example, "\n");
  absl::StrAppend(&out, check.clean() ? "The store is whole.\n" : "The store is damaged.\n");
  return out;
}

std::string ToText(const StoreRepair& repair) {
  if (repair.before.clean()) return ToText(repair.after);
  std::string out = absl::StrCat("Before:\n", ToText(repair.before), "\n");
  if (repair.salvaged) absl::StrAppend(&out, "The tables were salvaged.\n");
  AppendLine("records deleted", repair.deleted_records, out);
  AppendLine("blocks closed", repair.closed_blocks, out);
  AppendLine("spans to be summed anew", repair.reopened_spans, out);
  return absl::StrCat(out, "\nAfter:\n", ToText(repair.after));
}

bool IsClean(const StoreCheck& check) { return check.clean(); }
bool IsClean(const StoreRepair& repair) { return repair.after.clean(); }

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "pilotlight-collector: %s\n", std::string(status.message()).c_str());
  return kExitFailure;
}

// `work` on the store of each tenant, the anonymous one's first.
template <typename Work>
int ForEachTenant(const std::string& path, const std::string& output, const Work& work) {
  EmbeddedStoreOptions options;
  options.path = path;
  const auto anonymous = work(options, ShowProgress());
  if (!anonymous.ok()) return Fail(anonymous.status());
  nlohmann::json json = ToJson(*anonymous);
  std::string text = ToText(*anonymous);
  bool clean = IsClean(*anonymous);
  const auto tenants = FindTenantPaths(path);
  if (!tenants.ok()) return Fail(tenants.status());
  for (const auto& [tenant, tenant_path] : *tenants) {
    options.path = tenant_path;
    const auto result = work(options, ShowProgress());
    if (!result.ok()) return Fail(result.status());
    json["tenants"][tenant] = ToJson(*result);
    absl::StrAppend(&text, "\nTenant ", tenant, ":\n", ToText(*result));
    clean &= IsClean(*result);
  }
  std::fputs(output == "json" ? absl::StrCat(json.dump(2), "\n").c_str() : text.c_str(), stdout);
  return clean ? 0 : kExitProblems;
}

}  // namespace

MaintenanceCommands::MaintenanceCommands(CLI::App& app)
    : check_(app.add_subcommand("check",
                                "Reads a whole store that no collector uses, and changes nothing. Exit "
                                "code 3 when something is wrong with it")),
      repair_(app.add_subcommand("repair",
                                 "Gives up what a damaged store has lost, so that check finds nothing. "
                                 "Exit code 3 when something is left")) {
  AddFlags(*check_);
  AddFlags(*repair_);
  app.require_subcommand(0, 1);
}

void MaintenanceCommands::AddFlags(CLI::App& command) {
  command.add_option("--storage.path", path_, "Directory of the profiles, or a snapshot")
      ->capture_default_str();
  command.add_option("-o,--output", output_, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

std::optional<int> MaintenanceCommands::RunGiven() const {
  if (check_->parsed()) return ForEachTenant(path_, output_, CheckStore);
  if (repair_->parsed()) return ForEachTenant(path_, output_, RepairStore);
  return std::nullopt;
}

}  // namespace pilotlight::collector
