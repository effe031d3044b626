module pilotlight.dev/workloads/deep_stacks_go

go 1.18
