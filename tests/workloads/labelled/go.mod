module pilotlight.dev/workloads/labelled

go 1.21
