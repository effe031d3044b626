// Whose an OTLP profile is.
#pragma once

#include <map>
#include <string>

#include "profile/profile.h"

namespace pilotlight::collector {

// The labels of a resource with these attributes (exporters/otlp.h): service.name and those of Kubernetes by
// the names that agents give them, others with "_" for what a label name cannot have. process.* and
// telemetry.* are left out: they tell processes and SDKs apart, not services. Without service.name it is the
// container's name, else the executable's, else "unknown_service".
Labels LabelsOfResource(const std::map<std::string, std::string>& attributes);

}  // namespace pilotlight::collector
