#include "exporters/wire_fields.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace pilotlight {

using google::protobuf::internal::WireFormatLite;

absl::Status Damaged(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": the protocol buffer is damaged or cut off"));
}

absl::Status VisitFields(absl::string_view bytes, absl::string_view what,
                         absl::FunctionRef<absl::Status(const WireField&)> visit) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  while (static_cast<size_t>(input.CurrentPosition()) < bytes.size()) {
    const uint32_t tag = input.ReadTag();
    WireField field;
    field.number = WireFormatLite::GetTagFieldNumber(tag);
    if (field.number == 0) return Damaged(what);
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        field.type = WireType::kVarint;
        if (!input.ReadVarint64(&field.value)) return Damaged(what);
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        uint32_t size = 0;
        if (!input.ReadVarint32(&size)) return Damaged(what);
        const auto at = static_cast<size_t>(input.CurrentPosition());
        if (size > bytes.size() - at) return Damaged(what);
        field.type = WireType::kBytes;
        field.bytes = bytes.substr(at, size);
        if (!input.Skip(static_cast<int>(size))) return Damaged(what);
        break;
      }
      case WireFormatLite::WIRETYPE_FIXED64:
        field.type = WireType::kFixed64;
        if (!input.ReadLittleEndian64(&field.value)) return Damaged(what);
        break;
      default:
        if (!WireFormatLite::SkipField(&input, tag)) return Damaged(what);
    }
    RETURN_IF_ERROR(visit(field));
  }
  return absl::OkStatus();
}

}  // namespace pilotlight
