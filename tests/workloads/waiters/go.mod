module pilotlight.dev/workloads/waiters

go 1.18
