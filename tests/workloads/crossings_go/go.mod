module crossings_go

go 1.18
