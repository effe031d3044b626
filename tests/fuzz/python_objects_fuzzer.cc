// Whatever is where a Python process should have its objects is read within bounds.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/python/python_layout.h"
#include "agent/python/python_objects.h"
#include "base/check.h"
#include "exporters/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pilotlight::agent;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const PythonLines lines = PythonLines::Parse(bytes, size);
  CHECK(lines.LineOf(UINT32_MAX) == 0);
  lines.LineOf(0);
  FindPythonLayout(13, bytes).IgnoreError();
  if (size >= kPythonStringHeadBytes) {
    const int bytes_of_character = ParsePythonString(bytes).bytes_of_character;
    CHECK(bytes_of_character >= 0 && bytes_of_character <= 4);
  }
  for (const int bytes_of_character : {1, 2, 4}) {
    const std::string text = DecodePythonText(bytes, bytes_of_character);
    CHECK(pilotlight::ToValidUtf8(text) == text);
  }
  PythonFunctionName(bytes.substr(0, size / 2), bytes.substr(size / 2));
  return 0;
}
