// RETURN_IF_ERROR and ASSIGN_OR_RETURN: the installed abseil has none.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PILOTLIGHT_CONCAT_INNER(a, b) a##b
#define PILOTLIGHT_CONCAT(a, b) PILOTLIGHT_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                                           \
  do {                                                                        \
    if (::absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  PILOTLIGHT_ASSIGN_OR_RETURN(PILOTLIGHT_CONCAT(status_or_, __LINE__), declaration, expression)

#define PILOTLIGHT_ASSIGN_OR_RETURN(status_or, declaration, expression) \
  auto status_or = (expression);                                        \
  if (!status_or.ok()) return std::move(status_or).status();            \
  declaration = *std::move(status_or)
