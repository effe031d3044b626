// How --help looks: one short column of flags, descriptions wrapped beside it, defaults in brackets.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>

namespace pilotlight::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  // `usage`: in place of the generated line.
  explicit HelpFormatter(std::string usage = "") : usage_(std::move(usage)) { column_width(28); }

  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;

 private:
  const std::string usage_;
};

}  // namespace pilotlight::cli
