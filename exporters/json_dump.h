// How all our JSON is written. Private to the exporters.
#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace pilotlight {

// Members stay in the order in which they are written.
using OrderedJson = nlohmann::ordered_json;

// On one line; ill-formed UTF-8 is replaced.
inline std::string DumpJson(const OrderedJson& json) {
  return json.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace pilotlight
