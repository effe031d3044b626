module pilotlight.dev/workloads/garbage

go 1.18
