module pilotlight.dev/workloads/hot_calls

go 1.21
