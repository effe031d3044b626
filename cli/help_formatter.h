// How --help looks: one short column of flags, descriptions wrapped beside it, defaults in brackets.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pilotlight::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(28); }

  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace pilotlight::cli
