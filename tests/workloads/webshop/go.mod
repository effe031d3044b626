module pilotlight.dev/workloads/webshop

go 1.18
