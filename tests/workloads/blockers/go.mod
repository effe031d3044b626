module pilotlight.dev/workloads/blockers

go 1.18
