module pilotlight.dev/workloads/classes

go 1.18
