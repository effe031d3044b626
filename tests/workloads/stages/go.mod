module pilotlight.dev/workloads/stages

go 1.18
