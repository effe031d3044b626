// Relabels as the agent does. Reads {"yaml": …, "labels": …} in lines and answers each with the labels, null
// when they are dropped, or "refused" when the rules are.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/labels/relabel_file.h"

namespace pilotlight {
namespace {

nlohmann::json Answer(const nlohmann::json& question) {
  const auto rules = agent::ParseRelabelFile(question.at("yaml"), "rules.yaml");
  if (!rules.ok()) return "refused";
  Labels labels = question.at("labels");
  if (!agent::Relabel(*rules, labels)) return nullptr;
  return labels;
}

}  // namespace
}  // namespace pilotlight

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << pilotlight::Answer(nlohmann::json::parse(line)) << '\n';
  return 0;
}
